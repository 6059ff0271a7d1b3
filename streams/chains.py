"""Who is one: chains of pointers from ids of users, or accounts, to the one that stands for all.

Pointers may form a ring; then the smallest id on the ring stands for them, so that the answer
depends on the pointers only and not on the order in which they were learnt.
"""

from collections.abc import Sequence


def chain_through(leaf: str, parent_chain: Sequence[str]) -> list[str]:
    """The ids met when following pointers from a leaf, up to and including the first repeated one.

    >>> chain_through("a", ["b", "a", "b"])
    ['a', 'b', 'a']
    """
    chain = [leaf]
    for id in parent_chain:
        chain.append(id)
        if id in chain[:-1]:
            break
    return chain


def root_of(chain: Sequence[str]) -> str:
    """The id that stands for all of them: the end of the chain, or the smallest of its ring.

    >>> root_of(["x", "b", "a", "b"]), root_of(["x", "y"])
    ('a', 'y')
    """
    end = chain[-1]
    first = chain.index(end)
    return min(chain[first:])
