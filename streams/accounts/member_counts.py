"""How many members of an account count in each period, and where at least n of them do."""


class MemberCounts:
    """A number of members per index of a grid; masks are relative to `base`.

    The numbers are kept in binary, a mask for each digit: where the k-th has a bit, 2**k is part of
    the number. So a member is added to all of its periods at once, by an addition with carries.
    """

    __slots__ = ("_digits", "base")

    def __init__(self) -> None:
        self._digits: list[int] = []
        self.base: int | None = None

    @property
    def last(self) -> int | None:
        """The last index at which a member counts; None: nobody does."""
        length = max((digit.bit_length() for digit in self._digits), default=0)
        return self.base + length - 1 if self.base is not None and length else None

    def change(self, index: int, old: int, new: int) -> None:
        """A member counts where `new` has bits, no longer where `old` had; bit 0 is `index`.

        Neither may be endless.
        """
        shift = self._based(index)
        self._add((new & ~old) << shift)
        self._take_away((old & ~new) << shift)

    def _based(self, index: int) -> int:
        """How far an index lies behind the base, which moves to one that lies before it."""
        if self.base is None:
            self.base = index
        elif index < self.base:
            self._digits = [digit << self.base - index for digit in self._digits]
            self.base = index
        return index - self.base

    def _add(self, carried: int) -> None:
        for place, digit in enumerate(self._digits):
            if not carried:
                return
            self._digits[place] = digit ^ carried
            carried &= digit
        if carried:
            self._digits.append(carried)

    def _take_away(self, borrowed: int) -> None:
        for place, digit in enumerate(self._digits):
            if not borrowed:
                return
            self._digits[place] = digit ^ borrowed
            borrowed &= ~digit
        assert not borrowed, "only who counts can cease to"

    def at_least(self, n: int, base: int) -> int:
        """Where at least n members count, n > 0, as a mask relative to an index not above
        `self.base`.
        """
        if self.base is None or n.bit_length() > len(self._digits):
            return 0
        more, equal = 0, -1
        for place in range(len(self._digits) - 1, -1, -1):
            digit = self._digits[place]
            if n >> place & 1:
                equal &= digit
            else:
                more |= equal & digit
                equal &= ~digit
        return (more | equal) << self.base - base
