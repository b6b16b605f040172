"""Whatever a server's habits, whatever goes wrong and however often it is tried: never two, and one in the end.

"The server ends up with each assessment once": it can be killed at any moment, run twice, and be pointed at any server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from adapter.errors import ServerError
from adapter.fhir_server.writing_back import Receipt, write_back
from adapter.fhir_server.writing_back_ways import Habits
from adapter.mapping_files import load_knowledge
from adapter.problems import ProblemCode
from tests.contracts.counterparts import client
from tests.servers.picky import Picky, picky, statement
from tests.writing.building import written

KINDS = ("RiskAssessment", "Device", "Provenance")
_maybe = st.booleans()
_statements = st.none() | st.builds(statement, transaction=_maybe, update_create=_maybe, conditional_create=_maybe)


class _Killed(Exception):
    """The process ends here."""


@cache
def _resources() -> list[dict[str, Any]]:
    return written(load_knowledge())


@st.composite
def _habits(draw: st.DrawFn) -> dict[str, Any]:
    """Habits of one server; it refuses the same things every time."""
    refused = draw(
        st.dictionaries(st.sampled_from(["transaction", "condition", "search"]), st.sampled_from([400, 405]))
    )

    def refuses(method: str, path: str, headers: Mapping[str, str]) -> int:
        what = "transaction" if method == "POST" and not path else "condition" if "if-none-exist" in headers else ""
        return refused.get("search" if "?" in path else what, 0)

    metadata = draw(_statements)
    promises = "'conditionalCreate': True" in str(metadata)
    return {
        "metadata": metadata,
        # A server that promises to look and does not is beyond help: it makes two, and we say so.
        "ignores_conditions": not promises and draw(_maybe),
        "takes_our_ids": draw(_maybe),
        "is_silent": draw(_maybe),
        "has_versions": draw(_maybe),
        "ignores_parameters": draw(_maybe),
        "answers_transaction": draw(st.sampled_from([lambda entries: entries, lambda entries: entries[::-1]])),
        "refuses": refuses,
    }


def _failing(numbers: set[int]) -> Callable[[str, str], bool]:
    """Loses the answers to the changes with these numbers."""
    seen: list[str] = []

    def loses(method: str, path: str) -> bool:
        if method != "GET":
            seen.append(path)
        return method != "GET" and len(seen) in numbers

    return loses


@settings(max_examples=150, deadline=None)
@given(habits=_habits(), lost=st.sets(st.integers(1, 8), max_size=4), killed=st.lists(st.integers(1, 3), max_size=3))
def test_never_two_and_one_in_the_end(habits: dict[str, Any], lost: set[int], killed: list[int]) -> None:
    """A1.12 to A1.22, E31, E35 to E37, E45"""
    with picky(**habits, loses=_failing(lost)) as server:
        for steps in killed:
            _try(server, steps)
        server.habits.loses = lambda method, path: False
        receipt = _try(server, 0)
        counts = [len(server.found(kind)) for kind in KINDS]
    event(f"written: {receipt is not None}, once: {counts == [1, 1, 1]}")
    if habits["ignores_conditions"] and receipt is not None and max(counts) > 1:
        # It was asked twice, since the answer was lost, to create only if nothing is there.
        assert ProblemCode.WRITTEN_TWICE in {problem.code for problem in receipt.problems}
    else:
        assert max(counts) <= 1
        assert receipt is None or counts == [1, 1, 1]


def _try(server: Picky, steps: int) -> Receipt | None:
    """Write it, killed when so much is written; 0 for never."""

    def step(written: tuple[str, ...]) -> None:
        if 0 < steps <= len(written):
            raise _Killed

    try:
        return write_back(client(server.base), _resources(), step=step, habits=Habits())
    except (_Killed, ServerError):
        return None
