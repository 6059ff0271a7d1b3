"""Conditions as time goes by: the instants at which they begin to hold, and at which they end.

A course is the edges in order: from the first one on the condition holds, from the second one it no
longer does, and so on. An edge is (UTC ms, phase): AT_DAY_END belongs to the day that ends at that
instant, AT_INSTANT to what begins then.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

AT_DAY_END, AT_INSTANT = 0, 1
Edge = tuple[int, int]
Course = tuple[Edge, ...]

ALWAYS: Course = ((-(1 << 62), AT_DAY_END),)
"""What holds from the beginning of time on."""


def combined(courses: Sequence[Course], holds: Callable[[Sequence[bool]], bool]) -> Course:
    """When a function of several conditions holds.

    >>> combined([((1, 1), (5, 1)), ((3, 1),)], all), combined([((1, 1),)], lambda of: not of[0])[1]
    (((3, 1), (5, 1)), (1, 1))
    """
    states = [False] * len(courses)
    now = holds(states)
    found = [*ALWAYS] if now else []
    edges = sorted((edge, number) for number, course in enumerate(courses) for edge in course)
    for edge, group in groupby(edges, key=lambda each: each[0]):
        for _, number in group:
            states[number] = not states[number]
        if holds(states) != now:
            now = not now
            # a course that begins at the beginning of time has an edge there already
            if found and found[-1] == edge:
                found.pop()
            else:
                found.append(edge)
    return tuple(found)


def sampled(course: Course, edge_of: Callable[[Edge], Edge]) -> Course:
    """The course as it is at later edges only; `edge_of` never goes back."""
    found: list[Edge] = []
    for edge in map(edge_of, course):
        if found and found[-1] == edge:
            found.pop()
        else:
            found.append(edge)
    return tuple(found)


def of_states(changes: Sequence[tuple[int, bool]]) -> Course:
    """From (UTC ms, whether it holds from then on), in order; of one instant the last counts."""
    found: list[Edge] = []
    for ms, holds in changes:
        if holds == bool(len(found) % 2):
            continue
        if found and found[-1][0] == ms:
            found.pop()
        else:
            found.append((ms, AT_INSTANT))
    return tuple(found)


def alternating(states: Iterable[tuple[Edge, bool]], before: Iterable[Edge] = ()) -> Course:
    """From (edge, whether it holds from there on), in order, after the edges `before` them.

    >>> alternating([((1, 1), False), ((2, 1), True), ((3, 1), True)])
    ((2, 1),)
    """
    edges = [*before]
    for edge, holds in states:
        if holds != bool(len(edges) % 2):
            edges.append(edge)
    return tuple(edges)


def patched(course: Course, begin: Edge, end: Edge, states: Iterable[tuple[Edge, bool]]) -> Course:
    """The course with other edges from `begin` up to `end`, where it is as (edge, whether it holds
    from there on) say.

    >>> patched(((1, 1), (5, 1)), (2, 1), (4, 1), [((2, 1), False), ((3, 1), True)])
    ((1, 1), (2, 1), (3, 1), (5, 1))
    """
    until = alternating(states, (edge for edge in course if edge < begin))
    return (*until, *(edge for edge in course if edge >= end))
