"""rate: of certain facts, the share of those that pass. Every fact counts."""

from streams.values.tally import CellTally, Value, ratio

ALL_FACTS, PASSED = 0, 1


class Tally(CellTally):
    """Cells: (ALL_FACTS or PASSED, day, 0). value = passed / all, null when there are none."""

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        passed, all_facts = (self.total(period, index, part) for part in (PASSED, ALL_FACTS))
        return ratio(passed, all_facts)
