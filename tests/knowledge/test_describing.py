"""What ``mappings show`` tells about a marker."""

from __future__ import annotations

from adapter.knowledge.describing import describe
from adapter.knowledge.model import Knowledge


def test_a_marker_is_described_with_codes_units_spellings_and_limits(knowledge: Knowledge) -> None:
    known = describe(knowledge, "ctx")
    assert known is not None
    assert [code.code for code in known.codes] == ["41171-0"]
    assert [factor.unit for factor in known.factors] == ["ng/L", "pg/mL", "ug/L", "ng/mL"]
    assert "mcg/L" in {alias.text for alias in known.aliases}
    assert known.limits == knowledge.limits["ctx"]


def test_a_heading_has_neither_units_nor_limits(knowledge: Knowledge) -> None:
    known = describe(knowledge, "frax-panel")
    assert known is not None
    assert (known.factors, known.aliases, known.limits) == ((), (), ())


def test_what_is_no_marker_is_not_described(knowledge: Knowledge) -> None:
    assert describe(knowledge, "ctz") is None
