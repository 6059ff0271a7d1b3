"""Parts: the rows of a plan compiled, each to what follows from a subject's measures.

A part says what a subject contributes to a row's tally; a change of the subject is the difference
of two contributions. One file for each way in which subjects contribute.
"""
