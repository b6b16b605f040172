"""A result without value, at the wrong site or from the wrong specimen is not a result (fhir.md A3.4, A3.12, A3.21)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapter.clinical.results import Coding, Concept, LabResult, MarkerResult, ReportedQuantity
from adapter.problems import Problem, ProblemCode
from adapter.recognition.markers import RecognitionOptions, recognise
from tests.recognition.building import LOINC, SNOMED, knowledge, lab, loinc, quantity, time

T_SCORE = ReportedQuantity(Decimal("-2.6"), unit="{T-score}")


def understood(result: LabResult) -> MarkerResult:
    outcome = recognise(result, knowledge(), RecognitionOptions())
    assert isinstance(outcome, MarkerResult), outcome
    return outcome


def refused(result: LabResult) -> Problem:
    outcome = recognise(result, knowledge(), RecognitionOptions())
    assert isinstance(outcome, Problem), outcome
    return outcome


def test_an_absent_value_says_why_it_is_absent() -> None:
    problem = refused(lab("41171-0", absent_reason="not-performed"))
    assert problem.code is ProblemCode.VALUE_ABSENT
    assert "not-performed" in problem.what


def test_a_scan_without_a_value_is_no_t_score_of_zero() -> None:
    assert refused(lab("38265-5")).code is ProblemCode.VALUE_MISSING


def test_a_weight_beyond_any_adults_is_left_to_those_who_know_the_age() -> None:
    assert understood(lab("29463-7", quantity("9000", "kg", "<"))).digits == "<9000"
    assert understood(lab("29463-7", quantity("0.5", "kg", "<"))).digits == "<0.5"


def test_a_panel_heading_is_not_missing_anything() -> None:
    assert recognise(lab("90264-3"), knowledge(), RecognitionOptions()) is None


@pytest.mark.parametrize(
    ("body_site", "text", "site"),
    [
        (Concept((Coding(SNOMED, "29627003"),)), "", "femoral-neck"),
        (Concept(text="Left femoral neck"), "", "femoral-neck"),
        (Concept(), "T-score total hip", "total-hip"),
        (Concept(), "T-score", "femur"),
    ],
)
def test_the_site_comes_from_body_site_then_text_then_code(body_site: Concept, text: str, site: str) -> None:
    code = loinc("38263-0", text=text)
    assert understood(lab(code, T_SCORE, body_site=body_site)).site == site


def test_a_text_that_names_two_sites_names_none() -> None:
    code = loinc("38267-1", text="lumbar spine and femoral neck")
    assert understood(lab(code, T_SCORE)).site == "lumbar-spine"


def test_a_forearm_code_displayed_as_any_t_score_has_no_known_site() -> None:
    code = Concept((Coding(LOINC, "38265-5", "DXA [T-score] Bone density"),))
    result = understood(lab(code, T_SCORE))
    assert result.site == "unspecified"
    assert ProblemCode.CODE_DISPLAY_CONTRADICTS in result.cautions


def test_a_forearm_code_displayed_as_forearm_keeps_its_site() -> None:
    code = Concept((Coding(LOINC, "38265-5", "DXA Radius and Ulna [T-score] Bone density"),))
    assert understood(lab(code, T_SCORE)).site == "radius-ulna"


def test_a_heel_t_score_is_not_for_diagnosis() -> None:
    assert refused(lab("38266-3", T_SCORE)).code in (ProblemCode.SITE_NOT_DIAGNOSTIC, ProblemCode.CODE_DENIED)


def test_a_serum_code_from_a_urine_specimen_contradicts_itself() -> None:
    urine = Concept((Coding(SNOMED, "122575003"),))
    assert refused(lab("17861-6", quantity("9.2", "mg/dL"), specimen=urine)).code is ProblemCode.SPECIMEN_CONTRADICTS


def test_a_specimen_that_fits_or_is_not_known_is_accepted() -> None:
    serum = Concept((Coding(SNOMED, "119364003"),))
    assert understood(lab("17861-6", quantity("9.2", "mg/dL"), specimen=serum)).marker == "calcium"
    unknown = Concept((Coding("urn:local", "X"),))
    assert understood(lab("17861-6", quantity("9.2", "mg/dL"), specimen=unknown)).marker == "calcium"


@pytest.mark.parametrize(
    ("words", "with_bmd"),
    [("FRAX with BMD", True), ("FRAX without BMD", False), ("FRAX", None), ("FRAX（不含骨密度）", False)],
)
def test_frax_says_in_words_whether_it_includes_bone_density(words: str, with_bmd: bool | None) -> None:
    code = loinc("90265-0", text=words)
    assert understood(lab(code, quantity("12.4", "%"))).with_bmd is with_bmd


def test_the_assay_is_what_method_device_and_laboratory_say() -> None:
    method = Concept((Coding(SNOMED, "1"),))
    result = understood(lab("41171-0", quantity("500", "pg/mL"), method=method, performer="Organization/a"))
    assert result.assay == f"{SNOMED}|1 / Organization/a"


def test_a_time_without_zone_is_flagged() -> None:
    result = understood(lab("41171-0", quantity("500", "pg/mL"), effective=time("2026-06-01T08:00:00")))
    assert ProblemCode.TIME_ZONE_MISSING in result.cautions


def test_a_coded_body_site_that_is_not_known_says_nothing() -> None:
    elsewhere = Concept((Coding(SNOMED, "1"),))
    assert understood(lab("38267-1", T_SCORE, body_site=elsewhere)).site == "lumbar-spine"


def test_a_density_measured_at_a_site_that_is_not_for_diagnosis_is_set_aside() -> None:
    at_the_heel = knowledge().model_copy(update={"sites": {"calcaneus": "calcaneus"}})
    result = lab("38267-1", T_SCORE, body_site=Concept(text="calcaneus"))
    outcome = recognise(result, at_the_heel, RecognitionOptions())
    assert isinstance(outcome, Problem)
    assert outcome.code is ProblemCode.SITE_NOT_DIAGNOSTIC


@pytest.mark.parametrize(
    ("code", "note"),
    [
        ("38264-8", "Total hip arthroplasty on this side."),
        ("38264-8", "左侧髋关节置换术后"),
        ("38267-1", "Marked scoliosis; L2 not assessable"),
        ("38267-1", "L1 compression fracture"),
        ("38267-1", "腰椎侧弯"),
    ],
)
def test_a_region_that_a_note_calls_unfit_is_not_read(code: str, note: str) -> None:
    outcome = refused(lab(code, T_SCORE, notes=(note,)))
    assert (outcome.code, outcome.where[-5:]) == (ProblemCode.SITE_NOT_DIAGNOSTIC, ".note")


@pytest.mark.parametrize(
    ("code", "note"),
    [
        ("38267-1", "No vertebral fracture, no scoliosis."),
        ("38264-8", "without prosthesis"),
        ("38264-8", "scoliosis of the spine"),
        ("38267-1", "hip prosthesis"),
        ("38267-1", "未见椎体骨折"),
    ],
)
def test_a_note_that_denies_it_or_means_another_region_spoils_nothing(code: str, note: str) -> None:
    assert understood(lab(code, T_SCORE, notes=(note,))).marker == "dxa-t-score"


@pytest.mark.parametrize(
    "note",
    ["Sample moderately haemolysed.", "Hemolyzed; repeat", "标本溶血", "bone scan: radionuclide given yesterday"],
)
def test_a_result_of_a_sample_that_a_note_calls_spoiled_is_set_aside(note: str) -> None:
    """ "haemolysis, radioisotope: reject" """
    outcome = refused(lab("47255-5", quantity("52.0", "ug/L"), notes=(note,)))
    assert (outcome.code, outcome.where.rpartition(".")[2]) == (ProblemCode.SPECIMEN_UNFIT, "note")


@pytest.mark.parametrize("note", ["No haemolysis seen", "Hemolysis: none", "hemolysis index 3", "未见溶血", "fasting"])
def test_a_note_that_denies_it_spoils_nothing(note: str) -> None:
    assert understood(lab("47255-5", quantity("52.0", "ug/L"), notes=(note,))).marker == "p1np"
