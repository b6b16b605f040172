"""What is recorded about the patient is understood by value set; silence is never an answer."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from adapter.clinical.results import Coding, Concept, ReportedOther, ReportedQuantity, RiskFactor, StatementKind
from adapter.knowledge.facts import FactorAnswer, Sureness
from adapter.problems import Problem, ProblemCode
from adapter.recognition.codes import factor_answer
from adapter.recognition.factors import answer_of, factors_of
from tests.recognition.building import ATC, SNOMED, UCUM, knowledge, lab, quantity, statement, time

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CONDITION, MEDICATION = StatementKind.CONDITION, StatementKind.MEDICATION


def answered(code: str, value: object, **fields: object) -> RiskFactor | Problem:
    result = lab(code, value, **fields)
    answer = factor_answer(result.test, knowledge())
    assert answer is not None
    return answer_of(result, answer, knowledge())


def test_an_icd_code_is_known_by_how_it_begins() -> None:
    found = {known.kind: known for known in factors_of(statement(CONDITION, ICD10CM, "M80.051A"), knowledge())}
    assert found["fracture"].fragility is True
    assert "osteoporosis" in found


@pytest.mark.parametrize(
    ("kind", "system", "code", "factor"),
    [
        (CONDITION, SNOMED, "1003379004", "osteogenesis-imperfecta"),
        (CONDITION, SNOMED, "10713006", "rheumatoid-arthritis"),
        (CONDITION, SNOMED, "190859005", "hypophosphatasia"),
        (CONDITION, SNOMED, "79586000", "pregnancy"),
        (MEDICATION, RXNORM, "1115257", "gnrh"),
        (MEDICATION, RXNORM, "150840", "estrogen"),
        (MEDICATION, RXNORM, "316049", "thiazide"),
    ],
)
def test_what_public_records_say_of_bone_is_known(kind: StatementKind, system: str, code: str, factor: str) -> None:
    assert [found.kind for found in factors_of(statement(kind, system, code), knowledge())] == [factor]


def test_a_bare_fracture_code_does_not_establish_fragility() -> None:
    (found,) = factors_of(statement(CONDITION, SNOMED, "5913000"), knowledge())
    assert (found.kind, found.site, found.fragility) == ("fracture", "hip", None)


def test_a_fracture_without_site_takes_it_from_the_body_site() -> None:
    sites = (Concept(text="somewhere"), Concept((Coding(SNOMED, "29627003"),)))
    (found,) = factors_of(statement(CONDITION, SNOMED, "443165006", body_sites=sites), knowledge())
    assert found.site


def test_an_unknown_condition_is_irrelevant() -> None:
    assert factors_of(statement(CONDITION, SNOMED, "38341003"), knowledge()) == ()


def test_unspecific_arthritis_is_not_rheumatoid() -> None:
    assert factors_of(statement(CONDITION, ICD10CM, "M06.4"), knowledge()) == ()


@pytest.mark.parametrize(
    ("code", "dose", "equivalent"),
    [("H02AB06", "5", "5"), ("H02AB04", "6", "7.5"), ("H02AB02", "0.75", "5"), ("H02AB09", "20", "5")],
)
def test_a_glucocorticoid_dose_is_told_in_prednisolone(code: str, dose: str, equivalent: str) -> None:
    given = statement(MEDICATION, ATC, code, daily_dose=quantity(dose, "mg"))
    (found,) = factors_of(given, knowledge())
    assert found.amount == Decimal(equivalent)


@pytest.mark.parametrize("dose", [None, quantity("1", "{tablet}"), quantity("5", "mg", "<"), ReportedQuantity(None)])
def test_a_dose_that_is_no_number_of_milligrams_stays_unknown(dose: ReportedQuantity | None) -> None:
    (found,) = factors_of(statement(MEDICATION, ATC, "H02AB06", daily_dose=dose), knowledge())
    assert found.amount is None
    assert found.cautions == ("dose-unknown",)


def test_a_parents_hip_fracture_counts_and_an_aunts_does_not() -> None:
    mother = Concept((Coding("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "MTH"),))
    aunt = Concept((Coding("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "AUNT"),))
    family = StatementKind.FAMILY_HISTORY
    (found,) = factors_of(statement(family, SNOMED, "263225007", relationship=mother), knowledge())
    assert found.kind == "parent-hip-fracture"
    assert factors_of(statement(family, SNOMED, "263225007", relationship=aunt), knowledge()) == ()
    assert factors_of(statement(family, SNOMED, "69896004", relationship=mother), knowledge()) == ()


def test_a_coded_answer_says_yes_or_no() -> None:
    smoker = answered("72166-2", Concept((Coding(SNOMED, "449868002"),)))
    never = answered("72166-2", Concept((Coding(SNOMED, "266919005"),)))
    assert isinstance(smoker, RiskFactor)
    assert smoker.present
    assert isinstance(never, RiskFactor)
    assert not never.present


@pytest.mark.parametrize(
    "drinks",
    [quantity("3", "{drinks}/d"), ReportedQuantity(Decimal(3), unit="# per day"), ReportedQuantity(Decimal(3))],
)
def test_drinks_per_day_are_read_in_every_way_they_are_written(drinks: ReportedQuantity) -> None:
    outcome = answered("74013-4", drinks)
    assert isinstance(outcome, RiskFactor)
    assert outcome.amount == 3


def test_drinks_per_week_are_not_taken_for_drinks_per_day() -> None:
    outcome = answered("74013-4", quantity("3", "{drinks}/wk"))
    assert isinstance(outcome, Problem)
    assert outcome.code is ProblemCode.UNIT_UNKNOWN


def test_an_answer_that_it_is_not_known_is_no_answer_and_not_misunderstood() -> None:
    outcome = answered("72166-2", Concept((Coding(SNOMED, "266927001"),)))
    assert isinstance(outcome, Problem)
    assert outcome.code is ProblemCode.VALUE_ABSENT


def test_an_answer_in_unknown_codes_or_words_is_set_aside() -> None:
    for value in (Concept((Coding(SNOMED, "1"),)), Concept(text="sometimes")):
        outcome = answered("72166-2", value)
        assert isinstance(outcome, Problem)
        assert outcome.code is ProblemCode.NOT_UNDERSTOOD


def test_a_question_without_answer_is_not_answered_no() -> None:
    outcome = answered("72166-2", None)
    assert isinstance(outcome, Problem)
    assert outcome.code is ProblemCode.VALUE_ABSENT


def test_falls_are_counted() -> None:
    two = answered("75856-5", ReportedQuantity(Decimal(2)))
    none = answered("75856-5", ReportedQuantity(Decimal(0)))
    assert isinstance(two, RiskFactor)
    assert (two.present, two.amount) == (True, Decimal(2))
    assert isinstance(none, RiskFactor)
    assert not none.present


@pytest.mark.parametrize("unit", ["1", "{#}", "{count}", "{falls}", "{falls}/a", "{fall}/a"])
def test_falls_are_counted_whatever_the_unit_says_in_braces(unit: str) -> None:
    found = answered("75856-5", quantity("2", unit))
    assert isinstance(found, RiskFactor)
    assert found.amount == 2


@pytest.mark.parametrize("unit", ["", "falls", "次"])
def test_falls_are_counted_in_words(unit: str) -> None:
    assert isinstance(answered("75856-5", ReportedQuantity(Decimal(2), unit=unit)), RiskFactor)


def test_falls_in_a_month_are_not_taken_for_falls_in_a_year() -> None:
    assert isinstance(answered("75856-5", quantity("2", "{falls}/mo")), Problem)


def test_a_count_in_an_unknown_unit_or_only_bounded_above_is_set_aside() -> None:
    for value in (quantity("2", "mg"), ReportedQuantity(Decimal(2), comparator="<"), ReportedQuantity(None)):
        assert isinstance(answered("75856-5", value), Problem)


def test_an_age_at_menopause_is_kept_in_years() -> None:
    found = answered("42802-9", ReportedQuantity(Decimal(49), "", "a", UCUM, "a"))
    assert isinstance(found, RiskFactor)
    assert found.amount == Decimal(49)


def test_the_last_period_is_a_date() -> None:
    found = answered("8665-2", ReportedOther("dateTime", time=time("2024-01")))
    assert isinstance(found, RiskFactor)
    assert found.since == time("2024-01")


def test_a_boolean_answer_is_taken_as_said() -> None:
    found = answered("52552-7", ReportedOther("boolean", boolean=False))
    assert isinstance(found, RiskFactor)
    assert not found.present


def test_an_answer_of_an_unexpected_type_is_set_aside() -> None:
    outcome = answered("72166-2", ReportedOther("Attachment"))
    assert isinstance(outcome, Problem)
    assert outcome.code is ProblemCode.VALUE_TYPE


def test_the_code_that_says_more_about_a_fracture_is_kept() -> None:
    both = Concept((Coding(SNOMED, "5913000"), Coding(SNOMED, "704334005"), Coding(SNOMED, "5913000")))
    given = msgspec.structs.replace(statement(CONDITION, SNOMED, "1"), code=both)
    (found,) = factors_of(given, knowledge())
    assert found.fragility is True


def test_a_question_whose_code_alone_says_yes_needs_no_value() -> None:
    answer = FactorAnswer(
        system="urn:x", code="1", factor="dialysis", reads="present", source="test", sureness=Sureness.DECISION
    )
    found = answer_of(lab("1"), answer, knowledge())
    assert isinstance(found, RiskFactor)
    assert found.present
