"""Operators: how a kind of KPI follows from facts. One file each.

An operator says what a subject contributes to a KPI (`spans` of periods in which it counts, or
`cells` by anchor day) and how a value follows from the sums of all contributions (its tally).
"""
