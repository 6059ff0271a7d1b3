"""The stage that knows what happens in each account, and is the gate to everything behind it."""
