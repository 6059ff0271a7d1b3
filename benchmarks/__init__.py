"""Measurements: the same job on Headwater and on its peers, on one machine in one run."""
