"""Which limits a result is read against: site, report, literature, and never two of them in one marker."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.clinical.assessment import AppliedLimits, Authority
from adapter.clinical.profile import Menopause
from adapter.clinical.results import Coding, Concept, ReferenceRange, ReportedQuantity, ReportedRange
from adapter.clinical.values import Interval
from adapter.engines.joint_pathway import assess
from adapter.engines.limits import limits_for, read_against
from adapter.knowledge.facts import Limit, Parameter, Sureness
from adapter.knowledge.model import Knowledge
from adapter.problems import ProblemCode
from tests.engines.building import ASSAY, changed, concept, ctx, frax, man, p1np, reference, result, shipped, woman

OWN = reference("171", "970", "ng/L")
ADMINISTRATIVE = "http://hl7.org/fhir/administrative-gender"


def with_site(marker: str, low: str, high: str, **given: Any) -> Knowledge:
    """The shipped knowledge and one limit of the site's own."""
    own = Limit(
        id="own",
        marker=marker,
        low=Decimal(low),
        high=Decimal(high),
        authority="site",
        source="our laboratory",
        sureness=Sureness.VERIFIED,
        **given,
    )
    return changed(limits={**shipped().limits, marker: (*shipped().limits.get(marker, ()), own)})


def applied(given: Any, profile: Any = None, knowledge: Knowledge | None = None) -> object:
    found = limits_for(given, profile or woman(64), knowledge or shipped())
    return (found.authority, found.low, found.high) if found else None


FALLBACK = (Authority.FALLBACK, Decimal("98"), Decimal("646"))
REPORT = (Authority.REPORT, Decimal("171"), Decimal("970"))


def test_the_sites_own_limits_come_first() -> None:
    found = applied(ctx("812", reference_ranges=(OWN,)), knowledge=with_site("ctx", "100", "700"))
    assert found == (Authority.SITE, 100, 700)


def test_the_sites_limits_count_only_for_their_assay() -> None:
    site = with_site("ctx", "100", "700", assay="eclia")
    assert applied(ctx("812", assay=ASSAY), knowledge=site) == (Authority.SITE, 100, 700)
    assert applied(ctx("812", assay="RIA", reference_ranges=(OWN,)), knowledge=site) == REPORT


def test_the_reports_range_comes_before_the_literature() -> None:
    assert applied(ctx("812", reference_ranges=(OWN,))) == REPORT
    assert applied(ctx("812")) == FALLBACK


def test_a_one_sided_range_is_not_completed_from_the_literature() -> None:
    given = ctx("50", reference_ranges=(reference(None, "970", "ng/L"),))
    found = limits_for(given, woman(64), shipped())
    assert found and (found.low, found.text) == (None, "≤ 970 ng/L")
    assert read_against(given.value, found).letter == "N"
    low = limits_for(ctx("50", reference_ranges=(reference("171", None, "ng/L"),)), woman(64), shipped())
    assert low and low.text == "≥ 171 ng/L"


def test_a_range_in_another_unit_is_converted_and_shown_as_it_came() -> None:
    found = limits_for(
        ctx("0.812", "ng/mL", reference_ranges=(reference("0.171", "0.970", "ng/mL"),)), woman(64), shipped()
    )
    assert found and (found.low, found.high, found.unit) == (Decimal(171), Decimal(970), "ng/L")
    assert found.text == "0.171–0.970 ng/mL" and found.source == "referenceRange of Observation/ctx"


def test_a_unit_by_ucum_code_or_by_alias_is_understood() -> None:
    coded = ReportedQuantity(Decimal("970"), unit="whatever", system="http://unitsofmeasure.org", code="ng/L")
    assert applied(ctx("812", reference_ranges=(ReferenceRange(high=coded),))) == (Authority.REPORT, None, 970)
    alias = next(text for text, known in shipped().unit_aliases.items() if known.unit == "ug/L" and text != "ug/L")
    assert applied(p1np("50", reference_ranges=(reference("15", "75", alias),))) == (Authority.REPORT, 15, 75)


@pytest.mark.parametrize(
    "given",
    [
        ReferenceRange(text="171 - 970"),
        reference("171", "970", ""),
        reference("171", "970", "furlong"),
        reference("970", "171", "ng/L"),
        ReferenceRange(low=ReportedQuantity(None, unit="ng/L"), high=ReportedQuantity(Decimal(970), unit="ng/L")),
        ReferenceRange(high=ReportedQuantity(Decimal(970), comparator="<", unit="ng/L")),
        reference("171", "970", "ng/L", type=concept("therapeutic")),
        reference("171", "970", "ng/L", type=Concept(text="Therapeutic")),
        reference("171", "970", "ng/L", applies_to=(concept("male", ADMINISTRATIVE),)),
        reference("171", "970", "ng/L", applies_to=(concept("77386006", "http://snomed.info/sct"),)),
        reference("171", "970", "ng/L", age=ReportedRange(ReportedQuantity(Decimal(65), unit="a"))),
        reference("171", "970", "ng/L", age=ReportedRange(None, ReportedQuantity(Decimal(63), unit="a"))),
        reference("171", "970", "ng/L", age=ReportedRange(ReportedQuantity(Decimal(600), unit="mo"))),
        reference("171", "970", "ng/L", age=ReportedRange(ReportedQuantity(None, unit="a"))),
    ],
)
def test_a_range_that_cannot_be_read_or_is_for_others_is_not_used(given: ReferenceRange) -> None:
    assert applied(ctx("812", reference_ranges=(given,))) == FALLBACK


@pytest.mark.parametrize(
    "given",
    [
        reference("171", "970", "ng/L", type=concept("normal")),
        reference("171", "970", "ng/L", applies_to=(concept("female", ADMINISTRATIVE),)),
        reference("171", "970", "ng/L", applies_to=(concept("248152002", "http://snomed.info/sct"),)),
        reference(
            "171",
            "970",
            "ng/L",
            age=ReportedRange(ReportedQuantity(Decimal(50), unit="a"), ReportedQuantity(Decimal(64), unit="a")),
        ),
    ],
)
def test_a_range_for_this_patient_is_used(given: ReferenceRange) -> None:
    assert applied(ctx("812", reference_ranges=(given,))) == REPORT


def test_among_several_ranges_the_one_for_this_patient_counts() -> None:
    hers = reference("171", "970", "ng/L", applies_to=(concept("female", ADMINISTRATIVE),))
    his = reference("118", "776", "ng/L", applies_to=(concept("male", ADMINISTRATIVE),))
    everybodys = reference("100", "1000", "ng/L")
    assert applied(ctx("812", reference_ranges=(everybodys, his, hers))) == REPORT


def test_ranges_that_contradict_each_other_are_not_used() -> None:
    assert applied(ctx("812", reference_ranges=(OWN, reference("100", "1000", "ng/L")))) == FALLBACK
    assert applied(ctx("812", reference_ranges=(OWN, OWN))) == REPORT


def test_limits_of_the_literature_are_chosen_by_sex_age_assay_and_rank() -> None:
    assert applied(ctx("500"), man(66)) == (Authority.FALLBACK, 168, 791)
    assert applied(ctx("500", assay="Mayo Clinic Laboratories"), man(66)) == (Authority.FALLBACK, 132, 752)
    assert applied(result("alp", "100", "U/L"), woman(49)) == (Authority.FALLBACK, 35, 100)
    assert applied(result("alp", "100", "U/L"), woman(50)) == (Authority.FALLBACK, 50, 135)
    assert applied(result("alp", "100", "U/L"), woman(None)) is None
    assert applied(result("creatinine", "80", "umol/L")) is None


def test_a_limit_for_one_side_of_menopause_is_not_for_the_other() -> None:
    site = with_site("ctx", "200", "1000", menopause="post")
    assert applied(ctx("812"), woman(64), site) == (Authority.SITE, 200, 1000)
    assert applied(ctx("812"), woman(50, menopause=Menopause.UNKNOWN), site) == FALLBACK


def test_limits_of_the_literature_are_shown_as_their_source_states_them() -> None:
    found = limits_for(result("vitamin-d", "60", "nmol/L"), woman(64), shipped())
    assert found and found.text == "≥ 20 ng/mL"


@pytest.mark.parametrize(
    ("value", "letter"),
    [
        (Interval.exactly(Decimal(97)), "L"),
        (Interval.exactly(Decimal(98)), "N"),
        (Interval.exactly(Decimal(646)), "N"),
        (Interval.exactly(Decimal(647)), "H"),
        (Interval(None, Decimal(98), high_open=True), "L"),
        (Interval(None, Decimal(300)), ""),
        (Interval(Decimal(300), None), ""),
        (Interval(Decimal(646), None, low_open=True), "H"),
    ],
)
def test_a_letter_is_given_only_where_it_is_certain(value: Interval, letter: str) -> None:
    limits = AppliedLimits(
        low=Decimal(98), high=Decimal(646), unit="ng/L", authority=Authority.FALLBACK, source="", sureness="V", text=""
    )
    assert read_against(value, limits).letter == letter


@pytest.mark.parametrize(
    ("says", "differs"),
    [
        ((), False),
        (("H",), False),
        (("HH",), False),
        (("N",), True),
        (("L",), True),
        (("POS",), False),
        (("A",), False),
    ],
)
def test_a_laboratory_that_reads_it_otherwise_is_named(says: tuple[str, ...], differs: bool) -> None:
    answer = assess(woman(64, ctx("812", interpretation=tuple(Coding("", code) for code in says))), shipped())
    assert [p.code for p in answer.cautions] == [ProblemCode.INTERPRETATION_DIFFERS] * differs


def test_what_is_not_read_contradicts_nobody() -> None:
    answer = assess(woman(64, result("height", "1.6", "m", interpretation=(Coding("", "L"),))), shipped())
    assert answer.cautions == ()


def test_a_site_may_set_its_own_threshold() -> None:
    site = with_site("urine-calcium-24h", "0", "5", purpose="hypercalciuria", sex="female")
    assert assess(woman(64, result("urine-calcium-24h", "5.5", "mmol/(24.h)")), site).flags == ("U1",)


def test_a_site_may_add_a_line_for_the_hip() -> None:
    line = Parameter(id="hip_mod", value=Decimal("1.5"), source="our clinic", sureness=Sureness.DECISION)
    clinic = changed(parameters={**shipped().parameters, "hip_mod": line})
    assert assess(woman(64, frax("8", "1.5")), clinic).stratum_rule == "B6"
    assert assess(woman(64, frax("8", "1.4")), clinic).stratum_rule == "B8"
    assert assess(woman(64, frax("8", None)), clinic).stratum_rule == "B10"
