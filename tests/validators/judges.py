"""Judges of what we write that share no code with it: HL7's definitions in Node; pyrofile and fhirkit in Python.

``assert_valid_r4`` asks both. The Node judge checks invariants, the Python ones required bindings and references.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import fhirkit
import msgspec
import pytest
from pyrofile_validator import Validator
from pyrofile_validator.config import ValidatorConfig

_FOLDER = Path(__file__).parent
_ENCODER = msgspec.json.Encoder(decimal_format="number")
# A reference leads out of the one file that is judged, or off the server; that is what references are for.
_EXPECTED = {"reference.unresolved", "reference.external"}
_LEADS_ELSEWHERE = re.compile('Invalid reference: got "(urn:uuid:|https?:)')


def assert_valid_r4(resources: Sequence[Mapping[str, Any]]) -> None:
    """Fail unless every judge finds every resource (and every resource in every Bundle) valid in R4."""
    complaints = [*python_complaints(resources), *node_complaints(resources)]
    assert not complaints, "\n".join(complaints)


def node_complaints(resources: Iterable[Mapping[str, Any]]) -> list[str]:
    """What HL7's R4 definitions object to; skips the test where Node is absent, but never in CI."""
    _make_node_judge()
    lines = b"\n".join(_ENCODER.encode(resource) for resource in resources)
    judged = subprocess.run(["node", "validate.mjs"], input=lines, capture_output=True, cwd=_FOLDER, check=False)
    assert judged.returncode in (0, 1), judged.stderr.decode()
    verdicts = [msgspec.json.decode(line) for line in judged.stdout.splitlines()]
    issues = [(verdict["resource"], issue) for verdict in verdicts for issue in verdict["issues"]]
    has_errors = any(issue["severity"] in {"error", "fatal"} for _, issue in issues)
    assert has_errors == (judged.returncode == 1), "the exit code says whether there was an error"
    # It warns of each urn:uuid, for it does not look where in the Bundle it leads, and takes "https:" for a type.
    return [
        f"{resource} {issue['where']}: {issue['what']}"
        for resource, issue in issues
        if not _LEADS_ELSEWHERE.search(issue["what"])
    ]


def python_complaints(resources: Iterable[Mapping[str, Any]]) -> list[str]:
    """What pyrofile (structure, required bindings, references) and fhirkit (structure) object to."""
    complaints = []
    for resource in resources:
        encoded = _ENCODER.encode(resource)
        report = _pyrofile().validate_resource(msgspec.json.decode(encoded))
        complaints += [f"{issue.path}: {issue.message}" for issue in report.issues if issue.code not in _EXPECTED]
        complaints += [f"{issue.path}: {issue.message}" for issue in fhirkit.validate(encoded)]
    return complaints


@cache
def _pyrofile() -> Validator:
    return Validator(ValidatorConfig())


@cache
def _make_node_judge() -> None:
    """Install the Node judge beside this file, once."""
    if not shutil.which("node") or not shutil.which("npm"):
        if os.environ.get("CI") == "true":
            pytest.fail("Node and npm are needed in CI: one of the judges of what we write runs on them")
        pytest.skip("Node is not installed: one of the judges of what we write is left out")
    if not (_FOLDER / "node_modules" / "@medplum" / "definitions").is_dir():
        subprocess.run(["npm", "install"], cwd=_FOLDER, check=True, capture_output=True)
