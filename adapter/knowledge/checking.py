"""Check mapping files before they are used: everything that is wrong with them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from adapter.knowledge.findings import Finding
from adapter.knowledge.loading import assembled


class Check(msgspec.Struct, frozen=True):
    """What is wrong with mapping files, and what later layers change in earlier ones."""

    findings: tuple[Finding, ...]
    clashes: tuple[str, ...]


def check(layers: Sequence[Mapping[str, bytes]]) -> Check:
    """Check folders of mappings laid over each other; an overlay is checked together with what it is laid over."""
    _, clashes, findings = assembled(layers)
    return Check(tuple(findings), clashes)
