"""Tests of the operators, one file for each."""
