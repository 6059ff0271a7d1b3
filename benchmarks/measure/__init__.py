"""What else is measured: latency, CPU, memory, restore, recovery, scaling, history, soak.

One file a measurement, each with `measure(asked)` that returns its figures and stops by itself.
`python -m benchmarks.measure` runs them and keeps their figures in results.json.
"""
