"""From what subjects contribute to values that are published, of the company or an account."""
