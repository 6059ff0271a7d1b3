"""Chains of pointers end at one root, however they are passed on."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.chains import chain_through, root_of
from tests.laws import law

IDS = "abcdefgh"


def naive_root(id: str, pointers: dict[str, str]) -> str:
    """Follows pointers; of a ring the smallest id."""
    path = [id]
    while path[-1] in pointers:
        target = pointers[path[-1]]
        if target in path:
            return min(path[path.index(target) :])
        path.append(target)
    return path[-1]


@pytest.mark.parametrize(
    ("leaf", "parent_chain", "chain", "root"),
    [
        ("a", [], ["a"], "a"),
        ("a", ["b"], ["a", "b"], "b"),
        ("a", ["b", "c"], ["a", "b", "c"], "c"),
        ("b", ["a", "b", "a"], ["b", "a", "b"], "a"),  # on a ring of two
        ("x", ["b", "a", "b"], ["x", "b", "a", "b"], "a"),  # points into a ring
        ("a", ["a"], ["a", "a"], "a"),  # points to itself
        ("c", ["b", "a", "c", "b"], ["c", "b", "a", "c"], "a"),
    ],
)
def test_a_chain_ends_at_its_root_or_where_it_closes(
    leaf: str, parent_chain: list[str], chain: list[str], root: str
):
    found = chain_through(leaf, parent_chain)

    assert found == chain
    assert root_of(found) == root


@law
@given(
    st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_however_chains_are_passed_on_they_end_where_the_pointers_do(
    changes: list[tuple[str, str]], random: Random
):
    pointers: dict[str, str] = {}
    chains = {id: [id] for id in IDS}

    def pass_on(id: str) -> None:
        if id in pointers:
            chains[id] = chain_through(id, chains[pointers[id]])

    for leaf, target in changes:
        if leaf != target:
            pointers[leaf] = target
        for id in random.choices(IDS, k=3):  # some hear of it at once, others much later
            pass_on(id)
    for _ in range(2 * len(IDS)):
        for id in random.sample(IDS, len(IDS)):
            pass_on(id)

    assert {id: root_of(chains[id]) for id in IDS} == {id: naive_root(id, pointers) for id in IDS}
