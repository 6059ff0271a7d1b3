"""Names of segments: `dimension=value`, and of two dimensions `one&other=value&value`."""

NO_VALUE = "(none)"
"""The value of whoever, or whatever, has none."""
TOO_LONG = "(too long)"
"""The value of a text that is longer than a name may be, or of an integer of more than 64 bits."""
OTHER = "other"
"""What stands for all values that the plan does not list, where it lists some."""
IS_IN, IS_NOT_IN = "yes", "no"
"""The values of a membership: whoever is in it, and everybody else."""
VALUE_CHARACTERS_MAX = 200
BOTH = "&"
"""Between two dimensions, and between their values."""


def dimension_of(segment: str) -> str:
    """The name of the dimension, or of both."""
    return segment.partition("=")[0]


def combined(one: str, other: str) -> str:
    """The segment of whatever is in both of two.

    >>> combined("plan=pro", "country=de")
    'plan&country=pro&de'
    """
    (name, _, value), (of, _, its) = one.partition("="), other.partition("=")
    return f"{name}{BOTH}{of}={value}{BOTH}{its}"
