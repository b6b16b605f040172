"""What a laboratory states in a note: a sign counts only in a clause that does not deny it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CLAUSE = re.compile(r"[.;,\n。；，]")
_DENIED = re.compile(
    r"\b(no|non|not|none|nil|without|absent|negative|index|denies|excluding|excluded|exclude)\b"
    r"|无|未见|没有|排除|除外|其他|阴性|指数|未溶血|非溶血"
)


def stated_in(notes: Sequence[str], signs: Sequence[str]) -> str:
    """The first of the signs that a note states; empty where none does.

    Args:
        notes: As written.
        signs: Words or beginnings of words, in lower case.
    """
    if not signs:
        return ""
    clauses = [clause for note in notes for clause in _CLAUSE.split(note.lower()) if not _DENIED.search(clause)]
    return next((sign for clause in clauses for sign in signs if sign in clause), "")
