"""Acceptance: numbers that others have published for the same events."""
