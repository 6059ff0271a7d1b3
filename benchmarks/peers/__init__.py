"""The small job of benchmarks/plan.yaml, as the documentation of another system would write it."""
