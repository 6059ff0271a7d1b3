"""Alerts: when somebody should look. What stands follows from values and signals alone.

course.py folds the closed values of one rule and subject into episodes; standing.py turns what
stands now, and what was told before, into records; board.py keeps both for all subjects of a stage
partition.
"""
