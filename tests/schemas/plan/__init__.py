"""Tests of schemas/plan, mirroring the source."""
