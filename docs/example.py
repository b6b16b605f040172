"""Assess a Bundle from Python: what the pathway says, what it rests on, what was set aside, and what to send.

    python docs/example.py BUNDLE.json AS_OF
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from adapter import Options, as_transaction, assess_bundle, encode, load_knowledge


def main(path: str, as_of: str) -> None:
    """Print one patient after the other; the transaction comes last, as one line of JSON."""
    # Loaded once, used for every Bundle. Folders of your own go in here: load_knowledge([Path("site")]).
    knowledge = load_knowledge()
    outcome = assess_bundle(
        Path(path).read_bytes(),
        as_of=date.fromisoformat(as_of),
        knowledge=knowledge,
        options=Options(language="en"),
    )
    for patient in outcome.patients:
        assessment = patient.assessment
        print(f"{assessment.patient.reference}: {assessment.stratum} ({assessment.stratum_rule}), plan {assessment.plan}")
        for evidence in assessment.evidence:
            if evidence.limits is not None:
                print(f"  read {evidence.result.where}: {evidence.reading} against {evidence.limits.text}")
        for problem in patient.set_aside:
            print(f"  set aside {problem.where}: {problem.code}, {problem.what}")
        # Nothing is written for a child: then there is nothing to send.
        if patient.resources:
            print(encode(as_transaction(patient.resources)).decode())
    for problem in outcome.problems:
        print(f"{problem.severity}: {problem.what}; {problem.then}")


if __name__ == "__main__":
    main(*sys.argv[1:])
