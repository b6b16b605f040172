"""Assess a Bundle from Python: what the pathway says, what it rests on, what was set aside, and what to send.

Call it with a Bundle and the day of the assessment: ``python docs/example.py bundle.json 2026-06-15``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from adapter import Options, as_transaction, assess_bundle, encode, load_knowledge


def report(bundle: bytes, as_of: date) -> Iterator[str]:
    """One patient after the other; what is to be sent about a patient is one line of JSON."""
    # Loaded once, used for every Bundle. Folders of your own go in here: load_knowledge([Path("site")]).
    knowledge = load_knowledge()
    outcome = assess_bundle(bundle, as_of=as_of, knowledge=knowledge, options=Options(language="en"))
    for patient in outcome.patients:
        said = patient.assessment
        yield f"{said.patient.reference}: {said.stratum} ({said.stratum_rule}), plan {said.plan}"
        for evidence in said.evidence:
            if evidence.limits is not None:
                yield f"  read {evidence.result.where}: {evidence.reading} against {evidence.limits.text}"
        for problem in patient.set_aside:
            yield f"  set aside {problem.where}: {problem.code}, {problem.what}"
        # Nothing is written for a child: then there is nothing to send.
        if patient.resources:
            yield encode(as_transaction(patient.resources)).decode()
    for problem in outcome.problems:
        yield f"{problem.severity}: {problem.what}; {problem.then}"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    file, day = sys.argv[1:]
    sys.stdout.writelines(f"{line}\n" for line in report(Path(file).read_bytes(), date.fromisoformat(day)))
