"""A FHIR adapter for osteoporosis: bone-marker results in, RiskAssessment out, every number with its source.

These twelve names are the library; everything else may change. They are imported when first used, so that
``import adapter`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter.clinical.assessment import Assessment, Stratum
    from adapter.entrypoints.library import assess_bundle
    from adapter.errors import AdapterError
    from adapter.fhir.decoding import encode
    from adapter.fhir.releases import Release
    from adapter.fhir.transaction import as_transaction
    from adapter.knowledge.model import Knowledge
    from adapter.mapping_files import load_knowledge
    from adapter.pipeline import Options, Outcome
    from adapter.problems import Problem

__version__ = "0.1.0"

_HOMES = {
    "AdapterError": "adapter.errors",
    "Assessment": "adapter.clinical.assessment",
    "Knowledge": "adapter.knowledge.model",
    "Options": "adapter.pipeline",
    "Outcome": "adapter.pipeline",
    "Problem": "adapter.problems",
    "Release": "adapter.fhir.releases",
    "Stratum": "adapter.clinical.assessment",
    "as_transaction": "adapter.fhir.transaction",
    "assess_bundle": "adapter.entrypoints.library",
    "encode": "adapter.fhir.decoding",
    "load_knowledge": "adapter.mapping_files",
}

__all__ = [
    "AdapterError",
    "Assessment",
    "Knowledge",
    "Options",
    "Outcome",
    "Problem",
    "Release",
    "Stratum",
    "as_transaction",
    "assess_bundle",
    "encode",
    "load_knowledge",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'adapter' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
