"""Everything that is known about one marker, gathered for people."""

from __future__ import annotations

import msgspec

from adapter.knowledge.facts import Limit, MappedCode, Marker, UnitAlias, UnitFactor
from adapter.knowledge.model import Knowledge


class Description(msgspec.Struct, frozen=True):
    """One marker with its codes, units, spellings and limits, each with its source and how sure it is."""

    marker: Marker
    codes: tuple[MappedCode, ...]
    factors: tuple[UnitFactor, ...]
    aliases: tuple[UnitAlias, ...]
    limits: tuple[Limit, ...]


def describe(knowledge: Knowledge, marker: str) -> Description | None:
    """What is known about a marker; ``None`` where there is no such marker."""
    if marker not in knowledge.markers:
        return None
    factors = knowledge.unit_factors.get(marker, {})
    return Description(
        marker=knowledge.markers[marker],
        codes=tuple(code for code in knowledge.codes.values() if code.marker == marker),
        factors=tuple(factors.values()),
        aliases=tuple(alias for alias in knowledge.unit_aliases.values() if alias.unit in factors),
        limits=knowledge.limits.get(marker, ()),
    )
