"""Workers that are killed, frozen and restarted on a real broker, and what must come of it."""
