from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.fhir.decoding import encode
from adapter.fhir.entries import split
from adapter.fhir.reading import Reading, Source, read
from adapter.fhir.references import References
from adapter.fhir.releases import Release
from adapter.problems import ProblemCode
from tests.fhir.building import BASE, Json, bundle, ndjson, observation, patient, read_all, refusals, resource

URN = "urn:uuid:0b2f7a3e-0000-4000-8000-00000000000A"


def about(reference: str | None, id_: str = "ctx", /, **more: Any) -> Json:
    return observation(id_, **{"subject": {"reference": reference}, **more})


def owners(reading: Reading) -> list[str]:
    return [result.patient for result in reading.results]


def in_transaction(*pairs: tuple[str, Json], type_: str = "transaction") -> Json:
    return {"resourceType": "Bundle", "type": type_, "entry": [{"fullUrl": u, "resource": r} for u, r in pairs]}


@pytest.mark.parametrize("reference", ["Patient/1", f"{BASE}/Patient/1", "Patient/1/_history/3"])
def test_a_relative_or_absolute_reference_means_the_patient_of_the_same_server(reference: str) -> None:
    """A4.3, A4.4: whichever version a subject names, the person is the same"""
    reading = read_all(bundle(patient(), about(reference)))
    assert owners(reading) == ["Patient/1"]
    assert reading.patients["Patient/1"].known


def test_a_urn_is_compared_without_regard_to_case() -> None:
    """A4.3"""
    anonymous = {"resourceType": "Patient", "gender": "female"}
    reading = read_all(in_transaction((URN.lower(), anonymous), ("urn:uuid:2", about(URN.upper()))))
    assert owners(reading) == [URN.lower()]
    assert reading.patients[URN.lower()].known


def test_a_patient_posted_under_a_urn_is_met_again_by_its_id_in_a_later_bundle() -> None:
    """A4.3: one patient over several bundles; later ones only refer to the Patient"""
    first = in_transaction((URN, patient("p")), ("urn:uuid:2", about(URN)))
    reading = read_all(first, bundle(observation("later", subject={"reference": "Patient/p"}), base=""))
    assert owners(reading) == ["Patient/p", "Patient/p"]


def test_the_same_id_under_two_urns_is_two_patients() -> None:
    """A4.3, A4.7"""
    first = in_transaction((URN, patient()), ("urn:uuid:2", about("Patient/1")))
    second = in_transaction(("urn:uuid:B", patient(gender="male")), ("urn:uuid:3", about("Patient/1")))
    reading = read_all(first, second)
    assert owners(reading) == [URN.lower(), "urn:uuid:b"]


def test_an_id_that_two_bundles_use_differently_means_nobody_elsewhere() -> None:
    first, second = in_transaction((URN, patient())), in_transaction(("urn:uuid:B", patient(gender="male")))
    reading = read_all(first, second, about("Patient/1"))
    assert owners(reading) == []
    assert [aside.problem.code for aside in reading.set_aside] == [ProblemCode.SUBJECT_UNRESOLVED]


def test_the_same_ids_on_two_servers_are_never_mixed() -> None:
    """A4.3, E24"""
    one = bundle(patient(), observation(), base="https://one.example.org/fhir")
    two = bundle(patient(gender="male"), observation(), base="https://two.example.org/fhir")
    reading = read_all(one, two)
    assert owners(reading) == ["https://one.example.org/fhir/Patient/1", "https://two.example.org/fhir/Patient/1"]
    assert len({result.resource for result in reading.results}) == 2
    assert len(reading.patients) == 2


def test_files_without_addresses_speak_of_one_patient_by_one_id() -> None:
    """A4.7, A6.10"""
    reading = read_all(observation("a"), patient(), observation("b"))
    assert owners(reading) == ["Patient/1", "Patient/1"]
    assert list(reading.patients) == ["Patient/1"]


def test_an_absolute_and_a_bare_reference_agree_if_there_is_only_one_server() -> None:
    """A6.10"""
    reading = read_all(patient(), about(f"{BASE}/Patient/1"), observation("b"))
    assert owners(reading) == ["Patient/1", "Patient/1"]


def test_an_absolute_and_a_bare_reference_are_kept_apart_if_there_are_two_servers() -> None:
    """A4.3"""
    reading = read_all(patient(), about(f"{BASE}/Patient/1"), about("https://h/Patient/1", "b"))
    assert owners(reading) == [f"{BASE}/Patient/1", "https://h/Patient/1"]
    assert [key for key, each in reading.patients.items() if each.known] == ["Patient/1"]


@pytest.mark.parametrize("url", ["http://169.254.169.254/Patient/1", "file:///etc/Patient/1", "gopher://h/Patient/1"])
def test_an_address_elsewhere_is_a_name_and_nothing_more(url: str) -> None:
    """E4, A4.6: nothing in this room can fetch"""
    reading = read_all(bundle(patient(), about(url)))
    assert "Patient/1" not in owners(reading)


def test_a_logical_reference_means_the_only_patient_with_that_identifier() -> None:
    """A4.5"""
    identifier = {"system": "urn:oid:1.2", "value": "42"}
    reading = read_all(bundle(patient(identifier=[identifier]), about(None, subject={"identifier": identifier})))
    assert owners(reading) == ["Patient/1"]


def test_a_logical_reference_that_fits_two_patients_means_nobody() -> None:
    """E25"""
    identifier = {"system": "urn:oid:1.2", "value": "42"}
    people = [patient(id_, identifier=[identifier]) for id_ in ("1", "2")]
    assert refusals(bundle(*people, about(None, subject={"identifier": identifier}))) == [ProblemCode.SUBJECT_AMBIGUOUS]


def test_a_logical_reference_that_fits_nobody_means_nobody() -> None:
    other = {"identifier": {"system": "urn:oid:9", "value": "42"}}
    document = bundle(patient(identifier=[{"system": "urn:oid:1.2", "value": "42"}]), about(None, subject=other))
    assert refusals(document) == [ProblemCode.SUBJECT_UNRESOLVED]


def test_a_conditional_reference_counts_in_a_transaction_alone() -> None:
    """A4.5"""
    person = patient(identifier=[{"system": "urn:oid:1.2", "value": "42"}])
    pairs = ((URN, person), ("urn:uuid:2", about("Patient?identifier=urn:oid:1.2|42")))
    assert owners(read_all(in_transaction(*pairs))) == ["Patient/1"]
    assert refusals(in_transaction(*pairs, type_="batch")) == [ProblemCode.SUBJECT_UNRESOLVED]


@pytest.mark.parametrize(
    "subject",
    [
        None,
        {},
        {"display": "Ann"},
        {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]},
        {"reference": "urn:uuid:nobody"},
        {"reference": "#nobody"},
        {"reference": "what is this"},
        {"reference": "Group/1"},
        {"reference": "Device/1"},
        {"reference": "Patient/1", "type": "Group"},
        {"reference": "Patient/1", "type": "http://hl7.org/fhir/StructureDefinition/Device"},
    ],
)
def test_a_subject_that_is_no_known_patient_leaves_the_result_with_nobody(subject: Json | None) -> None:
    """A3.21, A4.5: ``display`` resolves to nothing; subject is a Patient only"""
    assert refusals(bundle(patient(), observation(subject=subject))) == [ProblemCode.SUBJECT_UNRESOLVED]


@pytest.mark.parametrize("type_", ["Patient", "http://hl7.org/fhir/StructureDefinition/Patient"])
def test_a_subject_may_say_that_it_is_a_patient(type_: str) -> None:
    subject = {"reference": "Patient/1", "type": type_}
    assert owners(read_all(bundle(patient(), observation(subject=subject)))) == ["Patient/1"]


def test_a_urn_may_turn_out_to_be_no_patient() -> None:
    """A3.21"""
    reading = read_all(in_transaction((URN, {"resourceType": "Group"}), ("urn:uuid:2", about(URN))))
    assert [aside.problem.what for aside in reading.set_aside] == ["the subject is no Patient but a Group"]


def test_a_contained_patient_is_known_only_by_an_identifier_that_is_known() -> None:
    """A3.20"""
    identifier = {"system": "urn:oid:1.2", "value": "42"}
    inside = {"contained": [{"resourceType": "Patient", "id": "p", "identifier": [identifier]}]}
    assert owners(read_all(bundle(patient(identifier=[identifier]), about("#p", **inside)))) == ["Patient/1"]
    assert refusals(bundle(patient(), about("#p", **inside))) == [ProblemCode.SUBJECT_UNRESOLVED]


def test_what_is_contained_is_seen_in_its_own_resource_alone() -> None:
    """A3.20"""
    sample = {"resourceType": "Specimen", "id": "s", "type": {"text": "serum"}}
    inside = observation("a", contained=[sample], specimen={"reference": "#s"})
    outside = observation("b", specimen={"reference": "#s"})
    results = read_all(bundle(patient(), inside, outside)).results
    assert [result.test.specimen.text for result in results] == ["serum", ""]


def test_a_versioned_reference_is_not_answered_by_another_version() -> None:
    """A4.4"""
    sample = {"resourceType": "Specimen", "id": "s", "meta": {"versionId": "2"}, "type": {"text": "serum"}}
    named = [observation(v, specimen={"reference": f"Specimen/s/_history/{v}"}) for v in ("1", "2")]
    results = read_all(bundle(patient(), sample, *named)).results
    assert [result.test.specimen.text for result in results] == ["", "serum"]


def test_a_result_without_a_patient_resource_keeps_its_patient() -> None:
    """A4.7: missing Patient means that sex and age are unknown"""
    reading = read([Source("1.json", encode(observation()))], release=Release.R4)
    assert owners(reading) == ["Patient/1"]
    assert [problem.code for problem in reading.problems] == [ProblemCode.PATIENT_MISSING]
    assert not reading.patients["Patient/1"].known
    assert reading.patients["Patient/1"].sex is None


def test_a_replaced_patient_hands_everything_to_the_one_that_stands() -> None:
    """A4.7"""
    link = [{"type": "replaced-by", "other": {"reference": "Patient/2"}}]
    reading = read_all(bundle(patient(link=link), patient("2"), observation()))
    assert owners(reading) == ["Patient/2"]
    assert [(a.problem.code, a.patient) for a in reading.set_aside] == [(ProblemCode.SUPERSEDED, "Patient/2")]


def test_results_of_a_patient_whom_several_replaced_are_nobodys() -> None:
    """A4.7: neither of two answers is believed"""
    links = [replaced_by(2), replaced_by(3)]
    people = [patient(link=links), patient("2"), patient("3"), patient("4", link=[replaced_by(1)])]
    subjects = [observation("a"), observation("b", subject={"reference": "Patient/4"})]
    reading = read_all(bundle(*people, *subjects))
    assert not reading.results
    assert [a.problem.code for a in reading.set_aside] == [
        ProblemCode.SUBJECT_AMBIGUOUS,
        ProblemCode.SUPERSEDED,
        *[ProblemCode.SUBJECT_AMBIGUOUS] * 2,
    ]


def test_a_link_that_is_given_twice_is_one_answer() -> None:
    reading = read_all(bundle(patient(link=[replaced_by(2), replaced_by(2)]), patient("2"), observation()))
    assert owners(reading) == ["Patient/2"]


def test_that_a_patient_replaced_another_is_said_and_joins_nobody() -> None:
    """A4.7: only the record that was replaced says whose its results are now"""
    link = [{"type": "replaces", "other": {"reference": "Patient/1"}}]
    reading = read_all(
        bundle(patient("2", link=link), patient(), observation(), observation("b", subject={"reference": "Patient/2"}))
    )
    assert sorted(owners(reading)) == ["Patient/1", "Patient/2"]
    assert [(a.problem.code, a.patient) for a in reading.set_aside] == [(ProblemCode.PATIENT_REPLACES, "Patient/2")]


def test_patients_that_replace_each_other_do_not_run_in_circles() -> None:
    links = [[{"type": "replaced-by", "other": {"reference": f"Patient/{other}"}}] for other in ("2", "1")]
    read_all(bundle(patient("1", link=links[0]), patient("2", link=links[1]), observation()))


@given(st.lists(st.integers(0, 5), min_size=6, max_size=6), st.permutations(range(6)))
def test_whoever_is_asked_first_the_same_patient_stands_for_another(links: list[int], order: list[int]) -> None:
    """Each patient is followed to the end, or round a circle up to its last one, as if nobody had been asked before."""
    people = [patient(str(each), link=[replaced_by(other)] if other else []) for each, other in enumerate(links)]
    references = References(split(ndjson(*people), "a.ndjson"))

    found = {each: references.surviving(f"Patient/{each}") for each in order}

    for each in range(6):
        passed = [each]
        while links[passed[-1]] and links[passed[-1]] not in passed:
            passed.append(links[passed[-1]])
        assert found[each] == f"Patient/{passed[-1]}"


def replaced_by(other: int) -> Json:
    return {"type": "replaced-by", "other": {"reference": f"Patient/{other}"}}


def test_other_links_do_not_join_patients() -> None:
    link = [{"type": "seealso", "other": {"reference": "Patient/2"}}]
    assert owners(read_all(bundle(patient(link=link), patient("2"), observation()))) == ["Patient/1"]


def test_resources_without_id_are_told_apart_by_their_place() -> None:
    reading = read_all(ndjson(patient(), observation(id=None), observation(id=None)))
    assert len({result.resource for result in reading.results}) == 2


def test_members_and_sources_are_named_by_their_identity() -> None:
    """A3.13, A3.14"""
    parent = observation("panel", hasMember=[{"reference": f"{BASE}/Observation/a"}], derivedFrom=[{"reference": "x"}])
    result = read_all(bundle(patient(), parent)).results[0]
    assert (result.members, result.related) == (("Observation/a",), ("x",))


def test_the_patient_of_a_family_history_is_its_patient() -> None:
    history = resource("FamilyMemberHistory", subject=None, patient={"reference": "Patient/1"}, status="completed")
    assert read_all(bundle(patient(), history)).irrelevant == [("1.json#Bundle.entry[1].resource", "Patient/1")]
