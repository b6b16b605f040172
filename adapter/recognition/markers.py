"""Understand one result: which marker, how much, at which site, by which assay; or say why not."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from adapter.clinical.results import Coding, Concept, LabResult, LabTest, MarkerResult, ReportedQuantity
from adapter.clinical.values import Interval
from adapter.knowledge.facts import FactorAnswer, MappedCode
from adapter.knowledge.model import Knowledge
from adapter.problems import NO_VALUES, Problem, ProblemCode
from adapter.recognition.amounts import amount_of, conversion_of
from adapter.recognition.codes import Refusal, canonical_codings, factor_answer, mapped_code
from adapter.recognition.notes import stated_in
from adapter.recognition.regions import side_of, spoiled_by

DIAGNOSTIC_SITES = frozenset(
    {"hip", "femur", "lumbar-spine", "radius-ulna", "femoral-neck", "total-hip", "distal-third-radius", "unspecified"}
)
# clinical.md 3: "LOINC names do not distinguish with / without BMD"; these phrases do. The longer ones first.
_WITHOUT_BMD = (
    "without bmd",
    "no bmd",
    "without bone mineral density",
    "without bone density",
    "clinical risk factors only",
    "不含骨密度",
    "未纳入骨密度",
    "无骨密度",
)
_WITH_BMD = (
    "with bmd",
    "with bone mineral density",
    "with bone density",
    "including bmd",
    "含骨密度",
    "纳入骨密度",
    "结合骨密度",
)
_FRAX = ("frax-mof", "frax-hip")
# "haemolysis, radioisotope (RIA): reject" (what disturbs the markers).
_SPOILED_SAMPLES = ("haemoly", "hemoly", "radioisotope", "radionuclide", "溶血", "放射性核素", "同位素")
_NO_AMOUNT = Interval(None, None)
_LOWEST, _HIGHEST = Decimal("-Infinity"), Decimal("Infinity")


class RecognitionOptions(msgspec.Struct, frozen=True):
    """What the operator has switched on.

    Attributes:
        read_text: Read numbers out of ``valueString`` by the strict grammar.
        use_issued: Use ``issued`` where there is no effective time.
    """

    read_text: bool = False
    use_issued: bool = False


class Meaning(msgspec.Struct, frozen=True):
    """What every result of one test means, whatever its number.

    Attributes:
        code: What the code means.
        common: A result of the marker, but for its amount, its time and where it came from.
        cautions: What to be careful about, told after what concerns the amount.
        unfit: Why the specimen forbids the use.
        off_site: Why the skeletal site forbids the use.
        is_body: Height or weight; a child's are judged where the age is known: see adulthood.py.
        usual: How an exact number in the unit of the test is understood; ``None`` where that needs a closer look.
    """

    code: MappedCode
    common: MarkerResult
    cautions: tuple[str, ...] = ()
    unfit: Refusal | None = None
    off_site: Refusal | None = None
    is_body: bool = False
    usual: Usual | None = None


class Usual(msgspec.Struct, frozen=True, gc=False):
    """Nearly every result: an exact number in a unit that is known, at a site and in a specimen that fit.

    Attributes:
        common: A result of the marker in this unit.
        factor: How many canonical units one of this unit is; ``None`` where it is the canonical one itself.
        low, high: The plausible amounts.
    """

    common: MarkerResult
    factor: Decimal | None
    low: Decimal
    high: Decimal


def recognise(result: LabResult, knowledge: Knowledge, options: RecognitionOptions) -> MarkerResult | Problem | None:
    """Understand one result, set it aside with a reason, or ``None`` where its code is no marker's (irrelevant)."""
    meaning = knowledge.remembered(meaning_of)(result.test)
    if meaning is None or isinstance(meaning, FactorAnswer):
        return None
    return meaning.of(result) if isinstance(meaning, Refusal) else recognise_as(meaning, result, knowledge, options)


def recognise_as(
    meaning: Meaning, result: LabResult, knowledge: Knowledge, options: RecognitionOptions
) -> MarkerResult | Problem | None:
    """Understand one result of a test whose meaning is known."""
    value, usual = result.value, meaning.usual
    if usual is not None and value.__class__ is ReportedQuantity and value.value is not None:
        number = value.value
        amount = number if usual.factor is None else number * usual.factor
        if usual.low <= amount <= usual.high:
            return _marker_result(usual.common, result, Interval(amount, amount), format(number, "f"))
    return _looked_at(meaning, result, knowledge, options)


def _looked_at(
    meaning: Meaning, result: LabResult, knowledge: Knowledge, options: RecognitionOptions
) -> MarkerResult | Problem | None:
    if result.value is None:
        return _without_value(result, meaning.code)
    if meaning.unfit is not None:
        return meaning.unfit.of(result)
    amount = amount_of(result, meaning.code, knowledge, read_text=options.read_text)
    if isinstance(amount, Problem):
        return amount
    if not meaning.is_body:
        received = f"{amount.digits} {amount.unit}"
        said = implausibility(amount.value, meaning.code.marker, knowledge, received=received)
        if said:
            return _problem(result, ProblemCode.IMPLAUSIBLE, *said)
    if meaning.off_site is not None:
        return meaning.off_site.of(result)
    common = _in_unit(meaning, amount.unit, amount.cautions)
    return _marker_result(common, result, amount.value, amount.digits)


def meaning_of(test: LabTest, knowledge: Knowledge) -> Meaning | FactorAnswer | Refusal | None:
    """What a test means: a marker, an answer about a risk factor, something refused, or nothing to us."""
    answer = factor_answer(test, knowledge)
    mapped = mapped_code(test, knowledge) if answer is None else None
    if mapped is None or isinstance(mapped, Refusal):
        return answer or mapped
    code, coding, alias = mapped
    marker = knowledge.markers[code.marker]
    site, site_cautions = _site(test, code, coding, knowledge)
    off_site = None
    if site and site not in DIAGNOSTIC_SITES:
        what = "bone density at the site '{site}' is not for this use"
        off_site = Refusal(ProblemCode.SITE_NOT_DIAGNOSTIC, "", what, {"site": site})
    elif spoiled := spoiled_by(test, site):
        what = "a note says that the region '{site}' was not fit to be measured ({word})"
        off_site = Refusal(ProblemCode.SITE_NOT_DIAGNOSTIC, ".note", what, {"site": site, "word": spoiled})
    common = MarkerResult(
        marker=code.marker,
        value=_NO_AMOUNT,
        unit=marker.unit,
        digits="",
        received_unit="",
        where="",
        entry="",
        resource="",
        patient="",
        code=code.code,
        rank=code.rank,
        site=site,
        side=side_of(test, code.display) if site else "",
        with_bmd=_with_bmd(test) if code.marker in _FRAX else None,
        assay=assay_of(test),
        cautions=code.flags,
    )
    cautions = (*site_cautions, ProblemCode.CODE_SYSTEM_ALIAS) if alias else site_cautions
    meaning = Meaning(code, common, cautions, _unfit(test, code, knowledge), off_site, marker.role == "body")
    return msgspec.structs.replace(meaning, usual=_usual(meaning, test, knowledge))


def _usual(meaning: Meaning, test: LabTest, knowledge: Knowledge) -> Usual | None:
    unit = test.unit
    if unit is None or unit.comparator or meaning.unfit is not None or meaning.off_site is not None:
        return None
    conversion = conversion_of(meaning.code, unit, knowledge)
    if isinstance(conversion, Refusal) or conversion.factor is None:
        return None
    marker = knowledge.markers[meaning.code.marker]
    low, high = (None, None) if meaning.is_body else (marker.plausible_low, marker.plausible_high)
    common = _in_unit(meaning, conversion.unit, conversion.cautions)
    factor = None if conversion.factor == 1 else conversion.factor
    return Usual(common, factor, _LOWEST if low is None else low, _HIGHEST if high is None else high)


def _in_unit(meaning: Meaning, unit: str, cautions: tuple[str, ...]) -> MarkerResult:
    cautions = (*meaning.common.cautions, *cautions, *meaning.cautions)
    return msgspec.structs.replace(meaning.common, received_unit=unit, cautions=cautions)


def _without_value(result: LabResult, code: MappedCode) -> Problem | None:
    if result.absent_reason:
        reason = {"reason": result.absent_reason}
        return _problem(result, ProblemCode.VALUE_ABSENT, "not available: {reason}", reason)
    if code.marker.endswith("-panel"):
        return None
    what = "{code} came without a value; that is not a result of zero"
    return _problem(result, ProblemCode.VALUE_MISSING, what, {"code": code.code})


def _marker_result(common: MarkerResult, result: LabResult, value: Interval, digits: str) -> MarkerResult:
    time, cautions = result.effective, common.cautions
    if time is not None and time.zone_missing:
        cautions = (*cautions, ProblemCode.TIME_ZONE_MISSING)
    return msgspec.structs.replace(
        common,
        value=value,
        digits=digits,
        where=result.where,
        entry=result.entry,
        resource=result.resource,
        patient=result.patient,
        version=result.version,
        status=result.status,
        effective=time,
        issued=result.issued,
        last_updated=result.last_updated,
        fasting=result.fasting,
        collected=result.specimen_collected,
        reference_ranges=result.reference_ranges,
        interpretation=result.interpretation,
        cautions=cautions,
        identifiers=result.identifiers,
        related=result.related,
        security=result.security,
    )


def assay_of(test: LabTest) -> str:
    """What tells two assays apart, as given: method, device, performing laboratory; empty where none was given."""
    method = test.method.text or " ".join(f"{coding.system}|{coding.code}" for coding in test.method.codings)
    return " / ".join(part for part in (method, test.device, test.performer) if part)


def _site(test: LabTest, code: MappedCode, coding: Coding, knowledge: Knowledge) -> tuple[str, tuple[str, ...]]:
    """The skeletal site: bodySite where coded or worded, then the text of the code, then what the code itself says."""
    if not code.site:
        return "", ()
    stated = site_of(test.body_site, knowledge) or site_of(Concept(text=test.code.text), knowledge)
    if stated:
        return stated, ()
    # Seen in Synthea: 38265-5 (Radius and Ulna) is displayed as "DXA [T-score] Bone density" and used for any site.
    display = coding.display.lower()
    if code.site == "radius-ulna" and display and "radius" not in display and "forearm" not in display:
        return "unspecified", (ProblemCode.CODE_DISPLAY_CONTRADICTS,)
    return code.site, ()


def site_of(concept: Concept, knowledge: Knowledge) -> str:
    """The site word of a coded or worded body site; empty if it is none that we know."""
    for coding, _ in canonical_codings(concept, knowledge):
        site = knowledge.sites.get(f"{coding.system}|{coding.code}")
        if site:
            return site
    words = concept.text.strip().lower()
    if not words:
        return ""
    phrases = [phrase for phrase in knowledge.sites if "|" not in phrase and phrase in words]
    longest = [phrase for phrase in phrases if not any(phrase != other and phrase in other for other in phrases)]
    sites = {knowledge.sites[phrase] for phrase in longest}
    return sites.pop() if len(sites) == 1 else ""


def bmd_said_in(words: str) -> bool | None:
    """Whether a text says that FRAX was computed with bone density; ``None`` where it does not say."""
    lowered = words.lower()
    if any(phrase in lowered for phrase in _WITHOUT_BMD):
        return False
    return True if any(phrase in lowered for phrase in _WITH_BMD) else None


def _with_bmd(test: LabTest) -> bool | None:
    panel = test.panel.text if test.panel else ""
    return bmd_said_in(" ".join((test.code.text, test.method.text, panel, *test.notes)))


def _unfit(test: LabTest, code: MappedCode, knowledge: Knowledge) -> Refusal | None:
    if not code.specimen:
        return None
    if spoiled := stated_in(test.notes, _SPOILED_SAMPLES):
        what = "a note says that the sample was not fit to be measured ({word})"
        return Refusal(ProblemCode.SPECIMEN_UNFIT, ".note", what, {"word": spoiled})
    for coding, _ in canonical_codings(test.specimen, knowledge):
        fits = knowledge.specimens.get(f"{coding.system}|{coding.code}")
        if fits is not None and code.specimen not in fits:
            what = "{code} is measured in {expected}, the specimen is {found} ({fits})"
            values = {"code": code.code, "expected": code.specimen, "found": coding.code, "fits": ", ".join(fits)}
            return Refusal(ProblemCode.SPECIMEN_CONTRADICTS, "", what, values)
    return None


def implausibility(
    value: Interval, marker: str, knowledge: Knowledge, *, received: str
) -> tuple[str, Mapping[str, str]] | None:
    """The sentence and its values where a value lies out of the marker's plausible range.

    Args:
        value: In the marker's unit.
        marker: Which one.
        knowledge: What is plausible.
        received: The value as it came, with its unit.
    """
    known = knowledge.markers[marker]
    low: Decimal | None = known.plausible_low
    high: Decimal | None = known.plausible_high
    if low is not None and value.is_below(low):
        return "{value} is below the plausible {limit}", {"value": received, "limit": f"{low} {known.unit}"}
    if high is not None and value.exceeds(high):
        return "{value} is above the plausible {limit}", {"value": received, "limit": f"{high} {known.unit}"}
    return None


def _problem(result: LabResult, code: ProblemCode, sentence: str, values: Mapping[str, str] = NO_VALUES) -> Problem:
    return Problem(code, result.where, sentence, resource=result.resource, values=values)
