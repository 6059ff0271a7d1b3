"""What crosses a wire or a disk: plans, events, micro-batches, state records, outputs."""
