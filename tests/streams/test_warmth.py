"""What was used lately stays warm, and the rest gets cold."""

from streams.warmth import Warm


def test_what_was_used_lately_stays_warm() -> None:
    warm = Warm(most=2)
    for key in "abc":
        warm.use(key)
        warm.use("a")
        assert "a" not in warm.cooled()


def test_what_was_not_used_for_two_generations_gets_cold() -> None:
    warm = Warm(most=2)
    cold = []
    for key in ("a", "b", "c", "d", "e", "f"):
        warm.use(key)
        cold += sorted(warm.cooled())
    assert cold == ["a", "b", "c", "d"]


def test_a_heavy_key_takes_the_place_of_many() -> None:
    warm = Warm(most=10)
    warm.use("a", weight=10)
    assert list(warm.cooled()) == []
    warm.use("b", weight=10)
    assert list(warm.cooled()) == ["a"]
