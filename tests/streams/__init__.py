"""Tests of streams/: facts in, numbers out."""
