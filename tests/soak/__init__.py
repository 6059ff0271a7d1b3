"""Tests that take as long as one lets them: `make soak`. Their short forms run in the suite."""
