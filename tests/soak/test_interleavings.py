"""The short form of random lives of stage partitions; `make soak` has the long one."""

import pytest

from tests.soak.interleavings import complaints_about


@pytest.mark.parametrize("seed", range(20))
def test_stages_that_read_save_and_crash_when_they_like_come_to_the_numbers_of_the_oracle(
    seed: int,
) -> None:
    assert complaints_about(seed) == []
