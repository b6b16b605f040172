"""What is measured of ours, each in one function, so that a change of lane is a change of one line here."""

from __future__ import annotations

from adapter import as_transaction, encode
from adapter.clinical.results import MarkerResult
from adapter.fhir.reading import Source, read
from adapter.fhir.releases import Release
from adapter.fhir.validation import validate
from adapter.knowledge.model import Knowledge
from adapter.pipeline import Options, Outcome, assess_sources
from adapter.recognition.markers import RecognitionOptions, recognise
from tests.benchmarks.generating import AS_OF

_OPTIONS = Options(release=Release.R4)
_RECOGNITION = RecognitionOptions()


def understood(lines: bytes, knowledge: Knowledge) -> list[MarkerResult]:
    """Bytes in, results as understood out: reading and recognising, and nothing else."""
    reading = read([Source("lines.ndjson", lines)], release=Release.R4)
    found = (recognise(result, knowledge, _RECOGNITION) for result in reading.results)
    return [result for result in found if isinstance(result, MarkerResult)]


def assessed(data: bytes, knowledge: Knowledge) -> Outcome:
    """One Bundle as its patients' assessments, with the resources to write."""
    return assess_sources([Source("bundle.json", data)], knowledge, as_of=AS_OF, options=_OPTIONS)


def converted(data: bytes, knowledge: Knowledge) -> bytes:
    """One patient's Bundle as the bytes of a transaction, not validated."""
    [patient] = assessed(data, knowledge).patients
    return encode(as_transaction(patient.resources))


def converted_and_validated(data: bytes, knowledge: Knowledge) -> bytes:
    """The same, with fhir.resources validating each resource as ``convert`` does."""
    outcome = assessed(data, knowledge)
    [patient] = outcome.patients
    problems = [problem for resource in patient.resources for problem in validate(resource, outcome.release)]
    if problems:
        raise AssertionError(problems)
    return encode(as_transaction(patient.resources))
