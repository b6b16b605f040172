"""What an input must do, however spoiled: be read and assessed without an exception, quickly, and without a loss."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from adapter.entrypoints import converting, covering, explaining
from adapter.fhir.decoding import decode, encode
from adapter.fhir.reading import Source
from adapter.fhir.transaction import as_transaction
from adapter.fhir.validation import validate
from adapter.pipeline import Options, assess_sources
from tests.laws.accounting import assert_conserved
from tests.recognition.building import AS_OF, knowledge

# "Fuzz: … only a named error, quickly." On a slow machine with others at work beside us.
SECONDS = 2.0
_ALL_ON = Options(allow_preliminary=True, read_text=True, use_issued=True, with_qfracture=True)


def survives(data: bytes, name: str = "a.json", options: Options = _ALL_ON) -> None:
    """Assess, explain and cover the input; everything written is valid, and every entry is told of."""
    started = time.process_time()
    source = Source(name, data)
    outcome = assess_sources([source], knowledge(), as_of=AS_OF, options=options)
    needed = time.process_time() - started
    assert needed < SECONDS, f"{needed:.1f} s for {len(data)} bytes"
    assert_conserved(outcome, [(name, data)])
    for patient in outcome.patients:
        written = encode(as_transaction(patient.resources))
        assert encode(decode(written, where="written")) == written
        faults = [problem for each in patient.resources for problem in validate(each, outcome.release)]
        # A patient whose own address is nonsense cannot be referred to; the command then writes nothing of them.
        assert all(problem.where.endswith("subject.reference") for problem in faults), faults
    converting.summary(outcome, converting.planned(outcome, [name], "-", shape="transaction"), dry_run=True)
    for language in ("en", "zh"):
        assert "⟦" not in explaining.page(outcome, knowledge(), language=language)
    explaining.as_json(outcome, knowledge())
    report = covering.cover([source], knowledge(), release=None)
    decode(covering.skeleton(report), where="skeleton")
    covering.page(report)


@contextmanager
def reproducible(name: str, seed: int) -> Iterator[None]:
    """Name the input and the seed in whatever goes wrong."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"input {name}, seed {seed}: run it again with mutated(random.Random({seed}), …)")
        raise
