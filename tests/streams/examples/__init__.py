"""The worked examples of the catalogue's rows as facts and expected values, written by hand."""

from typing import NamedTuple


class Example(NamedTuple):
    """`facts`: lines of `when | event | users | account`, a day or a user may be a range
    (`03-01..03-30`, `u1..u40`). `expect`: lines of

    - `period day = value`: of a trailing window its last day, of the others their first;
      `[n=1]` in front names a variant, `.median` behind the day a part;
    - `signal [users=3] at time by user in account`.

    `watermark`: the day up to which everything has been seen.
    """

    facts: str
    expect: str
    watermark: str = "04-30"
