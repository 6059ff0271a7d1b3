"""Tests of what crosses a wire or a disk."""
