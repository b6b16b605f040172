"""An export of a hospital of any size: realistic lines, each patient's spread over all files, the same in every run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.benchmarks import generating

PER_PATIENT = 25
_PROTOTYPES = 400
_FILES = 4
# Of a hundred results, so many are not final; of an amended one the earlier version is not sent.
_STATUSES = ["final"] * 94 + ["amended"] * 3 + ["preliminary"] * 2 + ["entered-in-error"]


class Prototype(NamedTuple):
    """One patient with all results, as texts in which the ids are to be put."""

    patient: str
    observations: tuple[str, ...]


def write_export(folder: Path, observations: int) -> None:
    """Write about so many Observations, 25 for each patient, and the Patients."""
    folder.mkdir(parents=True, exist_ok=True)
    prototypes = [_prototype(seed) for seed in range(_PROTOTYPES)]
    patients = max(1, observations // PER_PATIENT)
    with (folder / "Patient.ndjson").open("w") as file:
        file.writelines(
            f"{prototypes[number % _PROTOTYPES].patient % {'patient': _id(number)}}\n" for number in range(patients)
        )
    files = [(folder / f"Observation.{number:03}.ndjson").open("w") for number in range(_FILES)]
    for number, line in enumerate(_lines(prototypes, patients)):
        files[number * _FILES // (patients * PER_PATIENT)].write(line)
    for file in files:
        file.close()


def _lines(prototypes: list[Prototype], patients: int) -> Iterator[str]:
    """In each of 25 rounds one result of every patient; the order of the patients changes from round to round."""
    random = Random(7)  # noqa: S311 - the same data every time is the point
    for turn in range(PER_PATIENT):
        step = _step(patients, turn)
        for count in range(patients):
            number = (count * step + turn) % patients
            text = prototypes[number % _PROTOTYPES].observations[turn]
            yield text % {
                "patient": _id(number),
                "id": _id(number * PER_PATIENT + turn + 1_000_003),
                "status": _STATUSES[int(random.random() * 100)],
            }


def _step(patients: int, turn: int) -> int:
    """A stride through all patients."""
    step = 7919 + 2 * turn
    while patients % step == 0 or any(patients % prime == 0 == step % prime for prime in (2, 3, 5, 7, 11, 13)):
        step += 1
    return step if patients > step else 1


def _id(number: int) -> str:
    return f"{number * 2654435761 % (1 << 64):016x}"


def _prototype(seed: int) -> Prototype:
    resources = [entry["resource"] for entry in json.loads(generating.bundle(seed))["entry"]]
    name = resources[0]["id"]
    texts = [_template(resource, name) for resource in resources]
    return Prototype(texts[0], tuple(texts[1:]))


def _template(resource: generating.Json, patient: str) -> str:
    text = json.dumps(resource, separators=(",", ":")).replace("%", "%%").replace(patient, "%(patient)s")
    if resource["resourceType"] == "Patient":
        return text
    identifier = resource["identifier"][0]["value"]
    text = text.replace(resource["id"], "%(id)s", 1).replace(f'"{identifier}"', '"%(id)s-r"', 1)
    return text.replace('"status":"final"', '"status":"%(status)s"') + "\n"
