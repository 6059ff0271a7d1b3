"""State records as released versions wrote them, which every later release has to read."""
