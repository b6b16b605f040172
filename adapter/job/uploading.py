"""Write to a server what ``convert`` made of an export: patient by patient, in flat memory, each assessment once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

from adapter.errors import InputUnreadable
from adapter.fhir.addresses import literal
from adapter.fhir.decoding import decode
from adapter.fhir.releases import Release
from adapter.job.doing import Job
from adapter.job.endings import Done, Ending

Resource = Mapping[str, Any]


class Assessed(msgspec.Struct, frozen=True):
    """One patient's resources as they lie in a folder: RiskAssessment, Device and Provenance."""

    patient: str
    resources: tuple[Resource, ...]

    def __str__(self) -> str:
        """Whose it is, and nothing of what it says."""
        return self.patient


def assessed_in(folder: Path, base: str) -> Iterator[Assessed]:
    """What lies in the files of a folder, in their order; both files of a pair are read side by side.

    Args:
        folder: With ``RiskAssessment*.ndjson``, ``Provenance*.ndjson`` and ``Device.ndjson``.
        base: The server's base: an absolute subject on it means the same as a relative one.

    Raises:
        InputUnreadable: A file is missing or damaged, or the two do not belong together.
    """
    devices = {f"Device/{each.get('id')}": each for _, each in _lines(folder, "Device")}
    pairs = zip_longest(_lines(folder, "RiskAssessment"), _lines(folder, "Provenance"))
    for one, other in pairs:
        if one is None or other is None:
            raise InputUnreadable(f"{folder}: holds not as many Provenances as RiskAssessments; convert anew")
        (where, assessment), (_, provenance) = one, other
        try:
            targets = [each["reference"] for each in provenance["target"]]
            device = devices[assessment["performer"]["reference"]]
            patient = _patient(assessment["subject"]["reference"], base)
        except (KeyError, TypeError) as error:
            raise InputUnreadable(f"{where}: is no RiskAssessment of ours with its Provenance and Device") from error
        if targets != [f"RiskAssessment/{assessment['id']}"]:
            raise InputUnreadable(f"{where}: its Provenance is not on the same line; convert anew")
        yield Assessed(patient, (assessment, device, provenance))


def writing(job: Job, release: Release) -> Callable[[Assessed], Done]:
    """What writes one of them by a job; a subject on another server is refused."""

    def write(assessed: Assessed) -> Done:
        if "://" in assessed.patient or not assessed.patient.startswith("Patient/"):
            return Done(patient=assessed.patient, ending=Ending.REFUSED, reason="subject-elsewhere")
        return job.write_assessed(assessed.patient, assessed.resources, release)

    return write


def _patient(reference: str, base: str) -> str:
    link = literal(reference)
    return link.local if link is not None and link.base in ("", base) else reference


def _lines(folder: Path, kind: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """Every resource of a type with its place, over all its files."""
    paths = sorted(folder.glob(f"{kind}*.ndjson"))
    if not paths:
        raise InputUnreadable(f"{folder}: holds no {kind}.ndjson; expected a folder that `osteo-fhir convert` wrote")
    for path in paths:
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                where = f"{path.name}:{number}"
                found = decode(line, where=where)
                if not isinstance(found, dict):
                    raise InputUnreadable(f"{where}: is no {kind}")
                yield where, found
