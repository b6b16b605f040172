"""What ``convert`` writes, where, and the summary it closes with."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from adapter.clinical.assessment import Stratum
from adapter.entrypoints.inputs import is_ndjson
from adapter.entrypoints.outputs import refuse_existing, safe_name, write_files
from adapter.errors import SettingsInvalid
from adapter.fhir.decoding import encode
from adapter.fhir.transaction import as_transaction
from adapter.pipeline import Outcome, PatientOutcome
from adapter.problems import Severity

_UNDETERMINED = (Stratum.INDETERMINATE, Stratum.NOT_APPLICABLE)
_STANDARD_OUTPUT = "-"


class Plan(msgspec.Struct, frozen=True):
    """What will be written: whole files, or lines on standard output."""

    files: dict[Path, bytes]
    standard_output: bytes
    written: int


def planned(outcome: Outcome, names: Sequence[str], out: str, *, shape: str) -> Plan:
    """Lay out the output: one Bundle per patient into a folder, NDJSON for NDJSON, or everything into one file.

    Raises:
        SettingsInvalid: Several patients were to go into one ``.json`` file.
    """
    writing = [patient for patient in outcome.patients if patient.resources]
    as_lines = any(is_ndjson(name) for name in names) or is_ndjson(out)
    if out == _STANDARD_OUTPUT:
        return Plan({}, _lines(writing, shape), len(writing))
    path = Path(out)
    if path.suffix == ".gz":
        raise SettingsInvalid(
            f"{out}: output is not compressed; name a .json or .ndjson file, and compress it afterwards"
        )
    if _is_folder(path, out):
        files = _in_folder(path, writing, shape, as_lines=as_lines)
    elif as_lines or shape == "resources":
        files = {path: _lines(writing, shape)}
    elif len(writing) > 1:
        raise SettingsInvalid(f"{out}: {len(writing)} patients do not fit one Bundle; name a folder or an .ndjson file")
    else:
        files = {path: _lines(writing, shape)} if writing else {}
    return Plan(files, b"", len(writing))


def deliver(plan: Plan, *, force: bool, stdout: BinaryIO) -> None:
    """Write what was planned: each file whole or not at all."""
    refuse_existing(plan.files, force=force)
    write_files(plan.files, force=force)
    stdout.write(plan.standard_output)
    stdout.flush()


def sound(outcome: Outcome) -> tuple[Outcome, list[str]]:
    """The outcome with nothing to write for a patient of whom something would be invalid, and what that is.

    fhir.resources and our own checks judge; one patient's fault costs no other.
    """
    from adapter.fhir.validation import validate

    # The Device is the same for every patient.
    once = {resource["id"]: resource for patient in outcome.patients for resource in patient.resources}
    faults = {id_: validate(resource, outcome.release) for id_, resource in once.items()}
    patients: list[PatientOutcome] = []
    refused: list[str] = []
    for patient in outcome.patients:
        problems = [problem for resource in patient.resources for problem in faults[resource["id"]]]
        refused += [f"{patient.assessment.patient.where}: {each.where}: {each.what}" for each in problems]
        patients.append(msgspec.structs.replace(patient, resources=()) if problems else patient)
    return msgspec.structs.replace(outcome, patients=tuple(patients)), refused


def is_incomplete(outcome: Outcome) -> bool:
    """Whether something could not be read, or a patient could not be placed in a stratum."""
    unread = any(problem.severity is Severity.ERROR for problem in outcome.problems)
    return unread or any(patient.assessment.stratum in _UNDETERMINED for patient in outcome.patients)


def summary(outcome: Outcome, plan: Plan, *, dry_run: bool) -> str:
    """The closing lines: how many patients, how many of them assessed, and what was set aside by reason."""
    undetermined = sum(patient.assessment.stratum in _UNDETERMINED for patient in outcome.patients)
    reasons = Counter(problem.code.value for patient in outcome.patients for problem in patient.set_aside)
    wrong = [problem for problem in outcome.problems if problem.severity is not Severity.INFORMATION]
    problems = Counter(problem.code.value for problem in wrong)
    verb = "would be written" if dry_run else "written"
    count = len(outcome.patients)
    entries = several(outcome.entries, "entry", "entries")
    lines = [
        f"{several(count, 'patient', 'patients')}: {count - undetermined} assessed, {undetermined} undetermined; "
        f"{plan.written} {verb}; {entries} read as {outcome.release.name}",
        _counted("set aside", reasons),
        _counted("problems", problems),
    ]
    lines += [f"  {problem.told()}" for problem in outcome.problems[:20]]
    if len(outcome.problems) > 20:
        lines.append(f"  … and {len(outcome.problems) - 20} more; see `osteo-fhir explain --json`")
    return "\n".join(line for line in lines if line)


def several(count: int, one: str, many: str) -> str:
    """A number of things, in words: 1 patient, 2 patients."""
    return f"{count} {one if count == 1 else many}"


def _counted(title: str, reasons: Counter[str]) -> str:
    return f"{title}: " + ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items())) if reasons else ""


def _is_folder(path: Path, out: str) -> bool:
    return os.path.isdir(path) or out.endswith("/") or not path.suffix


def _lines(patients: Sequence[PatientOutcome], shape: str) -> bytes:
    if shape == "resources":
        return b"".join(encode(resource) + b"\n" for patient in patients for resource in patient.resources)
    return b"".join(encode(as_transaction(patient.resources)) + b"\n" for patient in patients)


def _in_folder(folder: Path, patients: Sequence[PatientOutcome], shape: str, *, as_lines: bool) -> dict[Path, bytes]:
    if shape == "resources":
        by_type: dict[Path, dict[bytes, None]] = {}
        for patient in patients:
            for resource in patient.resources:
                lines = by_type.setdefault(folder / f"{resource['resourceType']}.ndjson", {})
                lines[encode(resource) + b"\n"] = None
        return {path: b"".join(lines) for path, lines in by_type.items()}
    if as_lines:
        return {folder / "transactions.ndjson": _lines(patients, shape)}
    files: dict[Path, bytes] = {}
    for patient in patients:
        path = folder / f"{safe_name(patient.assessment.patient.reference.rpartition('/')[2])}.json"
        if path in files:
            path = folder / f"{path.stem}.{patient.resources[0]['id']}.json"
        files[path] = _lines([patient], shape)
    return files
