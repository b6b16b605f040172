from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.clinical.results import ReportedQuantity, StatementKind
from adapter.fhir.releases import Release
from adapter.problems import ProblemCode
from tests.fhir.building import Json, bundle, only_statement, patient, quantity, read_all, refusals, resource

CODE = {"coding": [{"system": "http://snomed.info/sct", "code": "64859006"}]}
DRUG = {"coding": [{"system": "http://www.whocc.no/atc", "code": "H02AB07"}]}


def coded(*codes: str) -> Json:
    return {"coding": [{"code": code} for code in codes]}


def condition(**more: Any) -> Json:
    return resource("Condition", **{"code": CODE, **more})


@pytest.mark.parametrize("over", ["inactive", "remission", "resolved"])
@pytest.mark.parametrize("shape", [coded, str], ids=["R4", "STU3"])
def test_a_condition_that_is_over_says_so(over: str, shape: Any) -> None:
    """A2: a bare code before R4"""
    release = Release.STU3 if shape is str else Release.R4
    document = condition(clinicalStatus=shape(over), verificationStatus=shape("confirmed"))
    assert only_statement(document, release).ended


@pytest.mark.parametrize("status", ["active", "recurrence", "relapse", None])
def test_a_condition_that_holds_is_not_over(status: str | None) -> None:
    document = condition(clinicalStatus=coded(status) if status else None, onsetDateTime="2020-05")
    statement = only_statement(document)
    assert (statement.kind, statement.ended) == (StatementKind.CONDITION, False)
    assert statement.since is not None


@pytest.mark.parametrize(
    "status",
    [
        {"verificationStatus": coded("refuted")},
        {"verificationStatus": coded("entered-in-error")},
        {"verificationStatus": coded("provisional")},
        {"verificationStatus": coded("differential")},
        {"verificationStatus": {"text": "sure"}},
        {"verificationStatus": coded("confirmed", "refuted")},
        {"clinicalStatus": coded("banana")},
    ],
)
def test_a_condition_that_is_refuted_wrong_or_only_suspected_is_set_aside(status: Json) -> None:
    assert refusals(condition(**status)) == [ProblemCode.STATUS_NOT_USABLE]


def test_statuses_from_cda_are_understood() -> None:
    snomed = {"coding": [{"system": "http://snomed.info/sct", "code": "413322009"}]}
    assert only_statement(condition(clinicalStatus=snomed)).ended


@pytest.mark.parametrize(
    ("abatement", "ended", "has_until"),
    [
        ({"abatementDateTime": "2021"}, True, True),
        ({"abatementString": "in spring"}, True, False),
        ({"abatementAge": {"value": 60}}, True, False),
        ({"abatementBoolean": False}, False, False),
    ],
)
def test_an_abatement_ends_a_condition(abatement: Json, ended: bool, has_until: bool) -> None:
    release = Release.STU3 if "abatementBoolean" in abatement else Release.R4
    statement = only_statement(condition(**abatement), release)
    assert (statement.ended, statement.until is not None) == (ended, has_until)


@pytest.mark.parametrize(("unit", "years"), [("a", Decimal(47)), ("mo", None)])
def test_an_onset_in_years_is_an_age(unit: str, years: Decimal | None) -> None:
    assert only_statement(condition(onsetAge={"value": 47, "code": unit})).onset_age == years


def test_body_sites_are_kept() -> None:
    assert only_statement(condition(bodySite=[{"text": "hip"}])).body_sites[0].text == "hip"


@pytest.mark.parametrize("name", ["recordedDate", "assertedDate"])
def test_when_a_condition_was_recorded_is_read_in_each_release(name: str) -> None:
    """A2"""
    release = Release.R4 if name == "recordedDate" else Release.STU3
    assert only_statement(condition(**{name: "2020"}), release).recorded is not None


@pytest.mark.parametrize("faulty", [{"onsetDateTime": "spring"}, {"code": []}, {"modifierExtension": [{"url": "x"}]}])
def test_a_faulty_statement_is_set_aside(faulty: Json) -> None:
    """A3.19, E21"""
    assert len(refusals(condition(**faulty))) == 1


@pytest.mark.parametrize("status", ["completed", "in-progress"])
def test_a_procedure_brings_a_state_that_outlasts_the_act(status: str) -> None:
    document = resource(
        "Procedure", code=CODE, status=status, performedPeriod={"start": "2020-05-01", "end": "2020-05-02"}
    )
    statement = only_statement(document)
    assert statement.since is not None
    assert (statement.since.text, statement.until, statement.ended) == ("2020-05-01", None, False)


@pytest.mark.parametrize("status", ["not-done", "preparation", "stopped", "entered-in-error", "unknown", None])
def test_a_procedure_that_was_not_done_is_set_aside(status: str | None) -> None:
    assert refusals(resource("Procedure", code=CODE, status=status)) == [ProblemCode.STATUS_NOT_USABLE]


@pytest.mark.parametrize("type_", ["Procedure", "FamilyMemberHistory"])
def test_what_was_not_done_is_set_aside_in_stu3(type_: str) -> None:
    """A2"""
    document = resource(type_, status="completed", notDone=True)
    assert refusals(document, release=Release.STU3) == [ProblemCode.STATUS_NOT_USABLE]


def test_when_a_procedure_happened_is_read_in_r5() -> None:
    """A2"""
    document = resource("Procedure", code=CODE, status="completed", occurrenceDateTime="2020")
    assert only_statement(document, Release.R5).since is not None


def test_each_condition_of_a_relative_is_a_statement() -> None:
    conditions = [{"code": CODE, "onsetAge": {"value": 70, "code": "a"}}, {"code": {"text": "other"}}]
    document = resource("FamilyMemberHistory", status="partial", relationship=coded("MTH"), condition=conditions)
    reading = read_all(document)
    first, second = reading.statements
    assert (first.where, first.entry, first.onset_age) == ("1.json.condition[0]", "1.json", Decimal(70))
    assert second.relationship.codings[0].code == "MTH"


@pytest.mark.parametrize("status", ["health-unknown", "entered-in-error", None])
def test_a_family_history_that_knows_nothing_is_set_aside(status: str | None) -> None:
    assert refusals(resource("FamilyMemberHistory", status=status)) == [ProblemCode.STATUS_NOT_USABLE]


def medication(type_: str = "MedicationRequest", /, **more: Any) -> Json:
    plain = {"status": "active", "intent": "order" if type_ == "MedicationRequest" else None}
    return resource(type_, **{"medicationCodeableConcept": DRUG, **plain, **more})


@pytest.mark.parametrize(
    ("type_", "status", "ended"),
    [
        ("MedicationRequest", "active", False),
        ("MedicationRequest", "completed", True),
        ("MedicationRequest", "stopped", True),
        ("MedicationStatement", "active", False),
        ("MedicationStatement", "stopped", True),
        ("MedicationAdministration", "in-progress", False),
        ("MedicationAdministration", "completed", True),
        ("MedicationDispense", "completed", True),
    ],
)
def test_a_medication_says_whether_it_is_over(type_: str, status: str, ended: bool) -> None:
    assert only_statement(medication(type_, status=status)).ended is ended


NOT_TAKEN: list[tuple[str, Json]] = [
    ("MedicationRequest", {"status": "entered-in-error"}),
    ("MedicationRequest", {"status": "cancelled"}),
    ("MedicationRequest", {"status": "draft"}),
    ("MedicationRequest", {"status": "unknown"}),
    ("MedicationRequest", {"status": None}),
    ("MedicationRequest", {"doNotPerform": True}),
    ("MedicationRequest", {"intent": "proposal"}),
    ("MedicationRequest", {"intent": "plan"}),
    ("MedicationStatement", {"status": "not-taken"}),
    ("MedicationStatement", {"status": "intended"}),
    ("MedicationAdministration", {"status": "not-done"}),
    ("MedicationDispense", {"status": "declined"}),
    ("MedicationDispense", {"status": "preparation"}),
]


@pytest.mark.parametrize(("type_", "elements"), NOT_TAKEN)
def test_a_medicine_that_was_not_ordered_given_or_taken_is_set_aside(type_: str, elements: Json) -> None:
    assert refusals(medication(type_, **elements)) == [ProblemCode.STATUS_NOT_USABLE]


@pytest.mark.parametrize(
    ("type_", "elements"),
    [
        ("MedicationStatement", {"taken": "n"}),
        ("MedicationStatement", {"taken": "unk"}),
        ("MedicationAdministration", {"notGiven": True, "status": "completed"}),
    ],
)
def test_stu3_says_otherwise_that_a_medicine_was_not_taken(type_: str, elements: Json) -> None:
    """A2"""
    document = medication(type_, **elements)
    assert refusals(document, release=Release.STU3) == [ProblemCode.STATUS_NOT_USABLE]


def test_what_a_patient_reports_to_take_is_a_plan_in_us_core() -> None:
    only_statement(medication(intent="plan", reportedBoolean=True))


def in_r5(**more: Any) -> Json:
    return resource("MedicationStatement", status="recorded", medication={"concept": DRUG}, **more)


@pytest.mark.parametrize(("code", "ended"), [("taking", False), ("stopped", True)])
def test_r5_says_by_adherence_whether_a_medicine_is_taken(code: str, ended: bool) -> None:
    """A2"""
    assert only_statement(in_r5(adherence={"code": coded(code)}), Release.R5).ended is ended
    assert refusals(in_r5(adherence={"code": coded("not-taking")}), release=Release.R5) == [
        ProblemCode.STATUS_NOT_USABLE
    ]


def test_a_medicine_may_be_referred_to() -> None:
    drug = {"resourceType": "Medication", "id": "d", "code": DRUG}
    request = medication(medicationCodeableConcept=None, medicationReference={"reference": "Medication/d"})
    inside = medication(
        medicationCodeableConcept=None, medicationReference={"reference": "#d"}, contained=[drug], id="y"
    )
    r5 = resource("MedicationStatement", status="recorded", medication={"reference": {"reference": "Medication/d"}})
    codes = [s.code.codings[0].code for s in read_all(bundle(patient(), drug, request, inside)).statements]
    assert codes == ["H02AB07", "H02AB07"]
    assert read_all(bundle(patient(), drug, r5), release=Release.R5).statements[0].code.codings[0].code == "H02AB07"


@pytest.mark.parametrize(
    ("drug", "code"),
    [
        ({"resourceType": "Medication", "status": "entered-in-error"}, ProblemCode.FACTOR_NOT_USABLE),
        ({"resourceType": "Substance"}, ProblemCode.FACTOR_NOT_USABLE),
        ({"resourceType": "Medication", "code": "x"}, ProblemCode.ELEMENT_INVALID),
    ],
)
def test_a_medicine_that_cannot_be_found_is_named(drug: Json, code: ProblemCode) -> None:
    reference = {"medicationCodeableConcept": None, "medicationReference": {"reference": "#d"}}
    assert refusals(medication(**reference, contained=[{**drug, "id": "d"}])) == [code]


def test_when_a_medicine_is_taken_is_read() -> None:
    bounds = {"timing": {"repeat": {"boundsPeriod": {"start": "2020-01-01", "end": "2020-02-01"}}}}
    cases = [
        (medication(authoredOn="2020-01-01"), "2020-01-01", None),
        (medication(authoredOn="2019", dosageInstruction=[bounds]), "2020-01-01", "2020-02-01"),
        (medication("MedicationStatement", effectivePeriod={"start": "2020"}), "2020", None),
        (medication("MedicationAdministration", status="completed", effectiveDateTime="2020"), "2020", "2020"),
        (
            medication(
                "MedicationAdministration", status="completed", effectivePeriod={"start": "2020", "end": "2021"}
            ),
            "2020",
            "2021",
        ),
        (
            medication(
                "MedicationDispense",
                status="completed",
                whenHandedOver="2020-01-01",
                daysSupply={"value": 30, "code": "d"},
            ),
            "2020-01-01",
            "2020-01-31",
        ),
        (medication("MedicationDispense", status="completed", whenPrepared="2020-01-01"), "2020-01-01", None),
    ]
    for document, since, until in cases:
        statement = only_statement(document)
        assert statement.since is not None
        assert (statement.since.text, statement.until.text if statement.until else None) == (since, until)


def test_r5_has_a_period_of_its_own_for_the_dose() -> None:
    """A2"""
    document = resource(
        "MedicationRequest",
        status="active",
        intent="order",
        medication={"concept": DRUG},
        effectiveDosePeriod={"start": "2020"},
    )
    since = only_statement(document, Release.R5).since
    assert since is not None
    assert since.text == "2020"


def dosage(repeat: Json | None = None, **more: Any) -> Json:
    timing = {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"} if repeat is None else repeat}
    return {"timing": timing, "doseAndRate": [{"doseQuantity": quantity("2.5", "mg")}], **more}


@pytest.mark.parametrize(
    ("repeat", "milligrams"),
    [
        (None, "5.0"),
        ({"period": 1, "periodUnit": "d"}, "2.5"),
        ({"frequency": 1, "period": 8, "periodUnit": "h"}, "7.5"),
        ({"frequency": 7, "period": 1, "periodUnit": "wk"}, "2.5"),
    ],
)
def test_a_dose_at_a_fixed_rhythm_adds_up_to_a_day(repeat: Json | None, milligrams: str) -> None:
    dose = only_statement(medication(dosageInstruction=[dosage(repeat)])).daily_dose
    assert isinstance(dose, ReportedQuantity)
    assert dose.value is not None
    assert round(dose.value, 9) == Decimal(milligrams)


@pytest.mark.parametrize(
    "dosages",
    [
        [],
        [dosage(), dosage()],
        [dosage(asNeededBoolean=True)],
        [dosage(asNeededCodeableConcept={"text": "pain"})],
        [dosage({"frequency": 1, "frequencyMax": 2, "period": 1, "periodUnit": "d"})],
        [dosage({"frequency": 1, "period": 1, "periodUnit": "mo"})],
        [dosage({"when": ["MORN"]})],
        [dosage({"frequency": 1})],
        [dosage(doseAndRate=[{"doseRange": {}}])],
        [dosage(doseAndRate=[{}, {}])],
        [{"text": "one tablet"}],
        [dosage(timing={"code": {"text": "BID"}})],
    ],
)
def test_a_dose_that_is_not_plainly_numeric_is_not_known(dosages: list[Json]) -> None:
    assert only_statement(medication(dosageInstruction=dosages)).daily_dose is None


def test_stu3_writes_the_dose_beside_the_timing() -> None:
    """A2"""
    old = {"timing": dosage()["timing"], "doseQuantity": quantity("5", "mg"), "asNeededBoolean": False}
    dose = only_statement(medication("MedicationStatement", dosage=[old]), Release.STU3).daily_dose
    assert isinstance(dose, ReportedQuantity)
    assert dose.value == Decimal(10)
