"""Tests of agents/delivery."""
