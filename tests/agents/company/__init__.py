"""The simulated company of the demo."""
