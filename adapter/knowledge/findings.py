"""What is wrong with mapping files, and how LOINC codes prove themselves."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True, order=True):
    """One thing wrong in a mapping file: which file, which key, what was expected there."""

    file: str
    key: str
    expected: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.expected}"


def has_check_digit(code: str) -> bool:
    """Whether a LOINC code ends in its own check digit."""
    return bool(code) and code == with_check_digit(code)


def with_check_digit(code: str) -> str:
    """A LOINC code with the digit that belongs to its number; empty if it is not made as those are.

    See "Calculating Mod 10 Check Digits" in the LOINC Users' Guide.
    """
    number, dash, digit = code.partition("-")
    if not (dash and number.isascii() and number.isdecimal() and len(digit) == 1 and digit.isdecimal()):
        return ""
    odd_positions = str(int(number[::-1][::2][::-1]) * 2)
    even_positions = number[::-1][1::2]
    total = sum(int(figure) for figure in odd_positions + even_positions)
    return f"{number}-{-total % 10}"
