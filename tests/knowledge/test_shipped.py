"""What is shipped is whole: every id of the decision table, every fact with its source, nothing mapped and denied."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from adapter.knowledge.checking import check
from adapter.knowledge.facts import Cited, Sureness
from adapter.knowledge.findings import has_check_digit
from adapter.knowledge.model import LOINC, Knowledge

MARKERS = [
    "calcium",
    "calcium-corrected",
    "calcium-corrected-protein",
    "calcium-ionized",
    "calcium-ionized-calculated",
    "calcium-ionized-ph74",
    "urine-calcium-24h",
    "urine-calcium",
    "urine-calcium-24h-concentration",
    "urine-calcium-creatinine",
    "urine-calcium-creatinine-24h",
    "urine-volume-24h",
    "urine-collection-duration",
    "phosphate",
    "alp",
    "bone-alp",
    "bone-alp-activity",
    "bone-alp-fraction",
    "osteocalcin",
    "vitamin-d",
    "vitamin-d3",
    "vitamin-d2",
    "pth",
    "pth-1-84",
    "p1np",
    "ctx",
    "urine-ctx-creatinine",
    "ntx",
    "urine-ntx-creatinine",
    "tracp",
    "tracp-5b",
    "creatinine",
    "urine-creatinine",
    "urine-creatinine-24h",
    "urine-creatinine-24h-concentration",
    "egfr",
    "albumin",
    "height",
    "weight",
    "bmi",
    "dxa-bmd",
    "dxa-t-score",
    "dxa-z-score",
    "frax-mof",
    "frax-hip",
    "frax-panel",
    "ost",
]
FACTORS = [
    "osteoporosis",
    "fracture",
    "parent-hip-fracture",
    "smoking-current",
    "smoking-former",
    "alcohol",
    "glucocorticoid",
    "rheumatoid-arthritis",
    "type-1-diabetes",
    "type-2-diabetes",
    "osteogenesis-imperfecta",
    "hyperthyroidism",
    "cushing",
    "malabsorption",
    "chronic-liver-disease",
    "malnutrition",
    "premature-menopause",
    "multiple-myeloma",
    "bone-metastasis",
    "hypogonadism",
    "postmenopausal",
    "bilateral-oophorectomy",
    "menopause-age",
    "last-menstrual-period",
    "falls",
    "hyperparathyroidism",
    "ckd-3",
    "ckd-4",
    "ckd-5",
    "dialysis",
    "kidney-transplant",
    "vitamin-d-deficiency",
    "pregnancy",
    "lactation",
    "paget",
    "osteomalacia",
    "antiresorptive",
    "zoledronate",
    "denosumab",
    "anabolic",
    "dual-action",
    "estrogen",
    "aromatase-inhibitor",
    "gnrh",
    "anticonvulsant",
    "thiazide",
    "vitamin-d-therapy",
    "calcimimetic",
    "immobilisation",
    "cardiovascular-disease",
    "asthma-copd",
    "dementia",
    "parkinsons",
    "epilepsy",
    "cancer",
    "antidepressant",
    "systemic-lupus",
    "care-home",
    "fasting",
]
PARAMETERS = {
    "mof_mod": "10", "mof_high": "20", "hip_high": "3", "mof_vh": "30", "hip_vh": "4.5", "t_low": "-1.0",
    "t_op": "-2.5", "t_vh": "-3.0", "recent_fracture_months": "24", "btm_fracture_block_months": "12",
    "gc_high_mg": "7.5", "gc_months": "3", "egfr_block": "30", "egfr_caution": "60", "egfr_bisphosphonate": "35",
    "frax_age_low": "40", "frax_age_high": "90", "adult_age": "18", "t_score_age_men": "50",
    "menopause_assumed_age": "60", "menopause_unknown_age": "45", "z_low": "-2.0", "monitoring_months": "12",
    "monitoring_months_zoledronate": "24", "old_age": "70", "falls_high": "2", "frax_dates_days": "30",
    "albumin_hours": "24", "albumin_min": "20", "ca_correction_factor": "0.02", "ca_correction_albumin": "40",
    "ca_critical_low": "1.9", "ca_critical_high": "3.0", "phosphate_critical_low": "0.3", "collection_hours_low": "22",
    "collection_hours_high": "26", "lsc_general": "30", "lsc_p1np": "38", "lsc_ctx": "56", "lsc_ntx": "30",
    "p1np_target": "35", "anabolic_p1np_rise": "10", "osta_factor": "0.2",
    "osta_low": "-1", "osta_high": "-4", "postpartum_months": "6", "bmi_difference": "1",
}  # fmt: skip
RULES = [
    *(f"B{number}" for number in range(1, 11)),
    *(f"P{number}" for number in range(1, 14)),
    *(f"N{number}" for number in range(1, 11)),
    *["U1", "U2", "U3", "C1", "C2", "C3", "V1", "H1", "E1", "L1", "K1", "X1"],
]


def cited(knowledge: Knowledge) -> Iterator[Cited]:
    """Every fact with a citation."""
    tables = (knowledge.markers, knowledge.codes, knowledge.denied, knowledge.unit_aliases, knowledge.factor_answers)
    for table in (*tables, knowledge.parameters, knowledge.rules):
        yield from table.values()
    yield from knowledge.factor_codes
    yield from (factor for factors in knowledge.unit_factors.values() for factor in factors.values())
    yield from (limit for limits in knowledge.limits.values() for limit in limits)


def test_nothing_is_wrong_with_the_shipped_files(shipped_files: dict[str, bytes]) -> None:
    assert check([shipped_files]).findings == ()


def test_every_marker_is_there_and_no_other(knowledge: Knowledge) -> None:
    assert sorted(knowledge.markers) == sorted(MARKERS)


def test_every_marker_has_a_name_in_both_languages(knowledge: Knowledge) -> None:
    assert {tuple(sorted(marker.name)) for marker in knowledge.markers.values()} == {("en", "zh")}


def test_every_marker_but_tracp_5b_has_a_code(knowledge: Knowledge) -> None:
    """No LOINC term for isoform 5b is known: it can only come by a local code."""
    assert knowledge.markers.keys() - {code.marker for code in knowledge.codes.values()} == {"tracp-5b"}


@pytest.mark.parametrize("factor", FACTORS)
def test_every_factor_has_a_code(factor: str, knowledge: Knowledge) -> None:
    known = {code.factor for code in knowledge.factor_codes}
    asked = {answer.factor for answer in knowledge.factor_answers.values()}
    assert factor in known | asked


@pytest.mark.parametrize(("parameter", "value"), PARAMETERS.items())
def test_every_parameter_has_the_value_of_the_decision_table(parameter: str, value: str, knowledge: Knowledge) -> None:
    assert knowledge.number(parameter) == Decimal(value)


def test_a_line_for_the_hip_at_moderate_risk_is_off(knowledge: Knowledge) -> None:
    assert "hip_mod" not in knowledge.parameters


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_source(rule: str, knowledge: Knowledge) -> None:
    assert knowledge.rules[rule].source


def test_every_source_is_a_readable_citation(knowledge: Knowledge) -> None:
    for fact in cited(knowledge):
        assert len(fact.source) >= len("UCUM"), fact
        assert fact.source.strip("GLQAFS0123456789, ;") != "", fact
        assert isinstance(fact.sureness, Sureness)


def test_no_denied_code_is_mapped(knowledge: Knowledge) -> None:
    assert knowledge.denied.keys() & knowledge.codes.keys() == set()
    assert knowledge.denied.keys() & knowledge.factor_answers.keys() == set()


def test_every_loinc_code_proves_itself(knowledge: Knowledge) -> None:
    keys = [*knowledge.codes, *knowledge.denied, *knowledge.factor_answers]
    assert [code for system, code in keys if system == LOINC and not has_check_digit(code)] == []


def test_the_preferred_egfr_is_ckd_epi_2021(knowledge: Knowledge) -> None:
    rank = {code: knowledge.codes[LOINC, code].rank for code in ("98979-8", "62238-1", "33914-3", "77147-7")}
    assert rank["98979-8"] < rank["62238-1"] < rank["33914-3"] < rank["77147-7"]


def test_look_alikes_in_another_code_system_are_not_mapped(knowledge: Knowledge) -> None:
    """The same digits name places in the US race and ethnicity codes."""
    assert {system for system, _ in knowledge.codes} == {LOINC}


@pytest.mark.parametrize(
    ("system", "code", "factors"),
    [
        ("icd-10-cm", "M80.051A", {"fracture", "osteoporosis"}),
        ("icd-10-cm", "M06.4", set()),
        ("icd-10-cm", "M06.9", {"rheumatoid-arthritis"}),
        ("icd-10", "S52.30", {"fracture"}),
        ("icd-10", "S72.00", {"fracture"}),
        ("icd-10-cm", "C44.1", set()),
        ("icd-10-cm", "C79.51", {"bone-metastasis", "cancer"}),
        ("icd-10-cm", "M8", set()),
    ],
)
def test_a_code_states_what_its_beginning_states(
    system: str, code: str, factors: set[str], knowledge: Knowledge
) -> None:
    found = knowledge.factor_codes_of(f"http://hl7.org/fhir/sid/{system}", code)
    assert {row.factor for row in found} == factors


def test_a_system_without_beginnings_is_matched_as_a_whole(knowledge: Knowledge) -> None:
    assert [row.factor for row in knowledge.factor_codes_of("http://snomed.info/sct", "64859006")] == ["osteoporosis"]
    assert knowledge.factor_codes_of("http://snomed.info/sct", "648590061") == ()


def test_a_fracture_code_has_one_site(knowledge: Knowledge) -> None:
    for code in ("S72.0", "S72.3", "S52.5", "S52.2", "S22.0", "S22.3", "S42.2", "S42.0", "S32.0", "S32.6", "M80.08"):
        rows = knowledge.factor_codes_of("http://hl7.org/fhir/sid/icd-10-cm", code)
        assert len([row for row in rows if row.factor == "fracture"]) == 1, code


def test_only_codes_that_say_so_establish_a_fragility_fracture(knowledge: Knowledge) -> None:
    proven = {row.code for row in knowledge.factor_codes if row.fragility}
    assert {"443165006", "704334005", "M80", "Z87.310"} <= proven
    assert not {"5913000", "S72.0", "359817006"} & proven
    assert all(row.factor == "fracture" for row in knowledge.factor_codes if row.fragility is not None)


def test_every_glucocorticoid_with_its_own_code_has_an_equivalent_dose(knowledge: Knowledge) -> None:
    rows = [row for row in knowledge.factor_codes if row.factor == "glucocorticoid" and not row.prefix]
    assert all(row.prednisolone_mg for row in rows)
    equivalents = {row.code: row.prednisolone_mg for row in rows}
    assert (equivalents["H02AB02"], equivalents["H02AB09"]) == (Decimal("0.75"), Decimal(20))


def test_burosumab_is_no_osteoporosis_medicine(knowledge: Knowledge) -> None:
    assert knowledge.factor_codes_of("http://www.whocc.no/atc", "M05BX05") == ()


def test_qfracture_is_whole(knowledge: Knowledge) -> None:
    assert knowledge.qfracture is not None
    assert sorted(knowledge.qfracture.equations) == ["hip-female", "hip-male", "mof-female", "mof-male"]
    assert len(knowledge.qfracture.examples) == 7
    for equation in knowledge.qfracture.equations.values():
        assert (len(equation.alcohol), len(equation.ethnicity), len(equation.smoking)) == (6, 10, 5)
        assert equation.flags.keys() <= knowledge.qfracture.flags.keys()
        falling = [*equation.survival[1:]]
        assert falling == sorted(falling, reverse=True)
        assert len(falling) == 18


def test_every_flag_of_qfracture_is_set_by_factors_that_are_known(knowledge: Knowledge) -> None:
    assert knowledge.qfracture is not None
    used = {factor for flag in knowledge.qfracture.flags.values() for factor in flag.factors}
    assert used <= set(FACTORS)


def test_every_spelling_of_loinc_leads_to_one(knowledge: Knowledge) -> None:
    for alias in ("urn:oid:2.16.840.1.113883.6.1", "https://loinc.org", "http://loinc.org/"):
        assert knowledge.systems[alias] == LOINC


def test_phrases_of_sites_are_written_as_they_are_compared(knowledge: Knowledge) -> None:
    assert [phrase for phrase in knowledge.sites if "|" not in phrase and phrase != phrase.lower()] == []


def test_changed_knowledge_remembers_no_answer_of_the_one_it_was_changed_from(knowledge: Knowledge) -> None:
    def version(_: str, asked: Knowledge) -> str:
        return asked.version

    assert knowledge.remembered(version)("") == knowledge.version
    changed = knowledge.model_copy(update={"version": "other"})
    assert changed.remembered(version)("") == "other"
    assert knowledge.remembered(version)("") == knowledge.version
