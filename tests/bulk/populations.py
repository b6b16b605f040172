"""Hospitals made from a seed: many patients, all that is awkward about exports, and the lines in any order and file."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from tests.benchmarks import generating

Json = dict[str, Any]
LINE_ENDS = (b"\n", b"\r\n")
_META = {"versionId": "7", "lastUpdated": "2026-06-15T01:00:00Z"}


def hospital(seed: int, patients: int = 12) -> dict[str, bytes]:
    """The files of an export, by name; some are packed."""
    random = Random(seed)  # noqa: S311
    lines: list[bytes] = [line for each in range(patients) for line in person(seed * 1000 + each, random)]
    lines += [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b'{"resourceType":"Nonsense","id":"n"}',
        b'{"resourceType":"Patient","id":"a","id":"b"}',
    ]
    random.shuffle(lines)
    files: dict[str, list[bytes]] = {}
    for line in lines:
        files.setdefault(f"{random.choice('abcd')}.ndjson", []).append(line)
    return dict(_packed(name, each, random) for name, each in files.items())


def person(seed: int, random: Random) -> Iterator[bytes]:
    """All lines of one patient."""
    resources = [entry["resource"] for entry in json.loads(generating.bundle(seed))["entry"]]
    for awkward in random.sample(_AWKWARD, 3):
        resources = awkward(resources, random)
    if random.random() < 0.4:
        resources = random.choice(_LAST)(resources, random)
    for resource in resources:
        yield json.dumps(resource, separators=(",", ":") if random.random() < 0.9 else None).encode()


def _packed(name: str, lines: list[bytes], random: Random) -> tuple[str, bytes]:
    end = random.choice(LINE_ENDS)
    data = end.join(lines) + random.choice((b"", end))
    return (f"{name}.gz", gzip.compress(data)) if random.random() < 0.3 else (name, data)


def _observation(resources: list[Json], random: Random) -> Json:
    return random.choice([each for each in resources if each["resourceType"] == "Observation"])


def _patient(resources: list[Json]) -> Json:
    return next((each for each in resources if each["resourceType"] == "Patient"), {"id": "gone"})


def newer_version(resources: list[Json], random: Random) -> list[Json]:
    """A result came again, with another value or another meaning."""
    old = _observation(resources, random)
    other = _observation(resources, random)
    code = random.choice((old["code"], other["code"]))
    return [*resources, {**old, "meta": _META, "code": code, "valueQuantity": {**old["valueQuantity"], "value": 1}}]


def withdrawn(resources: list[Json], random: Random) -> list[Json]:
    """A result was entered in error, as a newer version of it says."""
    return [*resources, {**_observation(resources, random), "meta": _META, "status": "entered-in-error"}]


def deleted(resources: list[Json], random: Random) -> list[Json]:
    """Resources were deleted, as a Bundle tells that names no patient."""
    urls = [f"{each['resourceType']}/{each['id']}" for each in random.sample(resources, 2) if "id" in each]
    entries = [{"request": {"method": "DELETE", "url": url}} for url in [*urls, "Observation/never-seen"]]
    return [*resources, {"resourceType": "Bundle", "type": "transaction", "entry": entries}]


def changed_hands(resources: list[Json], random: Random) -> list[Json]:
    """A result was first ascribed to another person."""
    right = _observation(resources, random)
    other = {"reference": f"Patient/stranger-{random.randrange(3)}"}
    return [*resources, {**right, "meta": {**_META, "lastUpdated": "2026-06-01T00:00:00Z"}, "subject": other}]


def came_twice(resources: list[Json], random: Random) -> list[Json]:
    """The same lines stand in two files."""
    return [*resources, *random.sample(resources, 3)]


def without_patient(resources: list[Json], random: Random) -> list[Json]:
    """Results whose Patient did not come."""
    return [each for each in resources if each["resourceType"] != "Patient"]


def only_irrelevant(resources: list[Json], random: Random) -> list[Json]:
    """Results of which none is of interest, and no Patient."""
    known = {test.loinc for test in generating.RELEVANT}
    codings = [(each, each.get("code", {}).get("coding", ())) for each in resources]
    return [each for each, found in codings if found and not known & {coding["code"] for coding in found}]


def without_results(resources: list[Json], random: Random) -> list[Json]:
    """A Patient alone."""
    return [each for each in resources if each["resourceType"] == "Patient"]


def absolute(resources: list[Json], random: Random) -> list[Json]:
    """References with the server's address."""
    return [_with_subject(each, _made_absolute) for each in resources]


def by_identifier(resources: list[Json], random: Random) -> list[Json]:
    """Results that name their patient by a number alone."""
    identifier = _patient(resources).get("identifier", [{"system": "urn:x", "value": str(random.random())}])[0]
    named = {"identifier": {"system": identifier["system"], "value": identifier["value"]}}
    return [_with_subject(each, lambda _: named) if random.random() < 0.5 else each for each in resources]


def contained(resources: list[Json], random: Random) -> list[Json]:
    """A result with its patient inside."""
    patient = {**_patient(resources), "id": "p", "resourceType": "Patient"}
    result = {**_observation(resources, random), "contained": [patient], "subject": {"reference": "#p"}}
    return [*[each for each in resources if each.get("id") != result["id"]], result]


def merged(resources: list[Json], random: Random) -> list[Json]:
    """A Patient that was replaced by another; both have results."""
    patient = _patient(resources)
    old = f"old-{patient['id']}"
    link = [{"other": {"reference": f"Patient/{patient['id']}"}, "type": "replaced-by"}]
    moved = [
        _with_subject(each, lambda _: {"reference": f"Patient/{old}"}) if random.random() < 0.4 else each
        for each in resources
    ]
    return [*moved, {"resourceType": "Patient", "id": old, "link": link}]


def with_sample(resources: list[Json], random: Random) -> list[Json]:
    """A result with a sample that lies with nobody."""
    result, id_ = _observation(resources, random), f"{random.getrandbits(48):x}"
    system = "http://terminology.hl7.org/CodeSystem/v2-0916"
    fasting = {"fastingStatusCodeableConcept": {"coding": [{"system": system, "code": "NF"}]}}
    sample = {"resourceType": "Specimen", "id": id_, "collection": fasting}
    with_it = {**result, "specimen": {"reference": f"Specimen/{id_}"}}
    return [*[each for each in resources if each.get("id") != result["id"]], with_it, sample]


def with_medicine(resources: list[Json], random: Random) -> list[Json]:
    """An order whose medicine is a resource of its own, shared by many patients."""
    code = {"coding": [{"system": "http://www.whocc.no/atc", "code": "M05BA04"}]}
    order = {
        "resourceType": "MedicationRequest",
        "id": f"{random.getrandbits(48):x}",
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{_patient(resources)['id']}"},
        "medicationReference": {"reference": "Medication/shared"},
        "authoredOn": "2026-01-01",
    }
    return [*resources, order, {"resourceType": "Medication", "id": "shared", "code": code}]


def in_bundles(resources: list[Json], random: Random) -> list[Json]:
    """All in one Bundle on one line, with addresses or with URNs."""
    urns = random.random() < 0.5
    names = {
        f"{each['resourceType']}/{each['id']}": f"urn:uuid:{random.getrandbits(64):x}"
        for each in resources
        if "id" in each
    }
    entries = []
    for each in resources:
        local = f"{each['resourceType']}/{each.get('id')}"
        linked = _with_subject(
            each, lambda s: {"reference": names.get(s.get("reference", ""), "urn:uuid:0")} if urns else s
        )
        entries.append(
            {"fullUrl": names.get(local, "") if urns else f"{generating.SERVER}/{local}", "resource": linked}
        )
    return [{"resourceType": "Bundle", "id": "b", "type": "collection", "entry": entries}]


def with_visits(resources: list[Json], random: Random) -> list[Json]:
    """Resources of other types, in several versions."""
    subject = {"reference": f"Patient/{_patient(resources)['id']}"}
    visit = {"resourceType": "Encounter", "id": f"{random.getrandbits(48):x}", "status": "finished", "subject": subject}
    place = {"resourceType": "Location", "id": f"{random.randrange(5)}"}
    return [
        *resources,
        visit,
        {**visit, "meta": _META},
        {**visit, "status": "entered-in-error"},
        place,
        {"resourceType": "Basic"},
    ]


def preliminary(resources: list[Json], random: Random) -> list[Json]:
    """A result that is not final, and one without a unit."""
    first, second = _observation(resources, random), _observation(resources, random)
    return [
        *[each for each in resources if each not in (first, second)],
        {**first, "status": "preliminary"},
        {**second, "valueQuantity": {"value": 7}},
    ]


def unresolvable(resources: list[Json], random: Random) -> list[Json]:
    """Results of a group, of nobody, and of somebody unknown."""
    subjects: list[Json] = [{"reference": "Group/1"}, {"display": "nobody"}, {"reference": "urn:uuid:none"}]
    subjects += [{"identifier": {"system": "urn:none", "value": "none"}}, {"reference": "Patient?identifier=a|b"}]
    return [
        *resources,
        *({**_observation(resources, random), "id": f"{random.random()}"[2:], "subject": each} for each in subjects),
    ]


def _made_absolute(subject: Json) -> Json:
    reference = subject.get("reference", "")
    return {"reference": f"{generating.SERVER}/{reference}"} if reference.startswith("Patient/") else subject


def _with_subject(resource: Json, change: Callable[[Json], Json]) -> Json:
    if not isinstance(resource.get("subject"), dict):
        return resource
    return {**resource, "subject": change(resource["subject"])}


_AWKWARD: list[Callable[[list[Json], Random], list[Json]]] = [
    newer_version, withdrawn, deleted, changed_hands, came_twice, absolute, by_identifier, contained, merged,
    with_sample, with_medicine, with_visits, preliminary, unresolvable,
]  # fmt: skip
_LAST: list[Callable[[list[Json], Random], list[Json]]] = [
    in_bundles,
    only_irrelevant,
    without_results,
    without_patient,
]
