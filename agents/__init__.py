"""The only part that touches the world: Faust agents, transports, checkpoints, command line."""
