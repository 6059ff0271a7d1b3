"""How many decimal places the currencies of ISO 4217 have."""

DIGITS_USUAL = 2
_OTHERS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
DIGITS = {code: digits for digits, codes in _OTHERS.items() for code in codes.split()}
"""Of those that have not the usual two."""


def digits_of(code: str) -> int:
    """The places between a unit and its minor unit.

    >>> [digits_of(code) for code in ("EUR", "JPY", "KWD")]
    [2, 0, 3]
    """
    return DIGITS.get(code, DIGITS_USUAL)
