"""Tests of the formats that events come in."""
