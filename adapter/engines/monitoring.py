"""Response to treatment: change since before it began, by one assay, against the least significant change (P13)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

import msgspec

from adapter.clinical.profile import PatientProfile
from adapter.clinical.results import MarkerResult
from adapter.clinical.time import ClinicalTime, months_before
from adapter.engines.case import Case
from adapter.engines.fractures import fractures
from adapter.engines.limits import young_adult_limits
from adapter.engines.precision import rounded
from adapter.engines.spans import lies_within
from adapter.engines.treatment import ANABOLIC, DUAL, began
from adapter.engines.wording import day, shown
from adapter.knowledge.model import Knowledge

# Which parameter holds the least significant fall of a marker, in percent.
_LEAST_CHANGES: Mapping[str, str] = {
    "p1np": "lsc_p1np",
    "ctx": "lsc_ctx",
    "ntx": "lsc_ntx",
    "urine-ntx-creatinine": "lsc_ntx",
    "bone-alp": "lsc_general",
}


class Response(StrEnum):
    """What the markers say about the treatment."""

    ADEQUATE = "adequate"
    INADEQUATE = "inadequate"
    UNDETERMINED = "undetermined"
    EARLY = "early"
    FRACTURE = "fracture"


class Change(msgspec.Struct, frozen=True):
    """One marker before and under treatment, both by the same assay.

    Attributes:
        level: The value under treatment.
        amount, percent: By how much it changed since before.
    """

    before: MarkerResult
    after: MarkerResult
    level: Decimal
    amount: Decimal
    percent: Decimal

    @property
    def text(self) -> str:
        """Both values with their days, and the change in percent."""
        before, after = self.before, self.after
        days = f"{day(before.effective)} → {day(after.effective)}"
        return f"{shown(before)} → {shown(after)} ({self.percent:+f} %; {days})"


class Course(msgspec.Struct, frozen=True):
    """How the markers changed under treatment."""

    response: Response
    changes: tuple[Change, ...] = ()


def course_of(case: Case) -> Course:
    """The change of every marker that can be compared, and the response they agree on, if they do."""
    profile, knowledge, start = case.profile, case.knowledge, began(case.medicines)
    changes = tuple(c for marker in _LEAST_CHANGES if start and (c := _change(marker, profile, start, knowledge)))
    kinds = {medicine.kind for medicine in case.medicines}
    if any(_is_healing(case, result) for change in changes for result in (change.before, change.after)):
        return Course(Response.FRACTURE, changes)
    # Formation up and resorption down at once, or one medicine after another: no table to read that by.
    if kinds.intersection(DUAL) or (kinds.intersection(ANABOLIC) and len(kinds) > 1):
        return Course(Response.UNDETERMINED, changes)
    answers = [_responds(change, kinds, profile, knowledge) for change in changes]
    said = {answer for answer in answers if answer is not None}
    if len(said) != 1:
        return Course(Response.UNDETERMINED, changes)
    if said.pop():
        return Course(Response.ADEQUATE, changes)
    is_early = start is not None and any(_is_early(change, start, knowledge) for change in changes)
    return Course(Response.EARLY if is_early else Response.INADEQUATE, changes)


def _is_healing(case: Case, result: MarkerResult) -> bool:
    """Whether a fracture was healing when the sample was taken ("never read as baseline within 12 months of one")."""
    months, taken = int(case.knowledge.number("btm_fracture_block_months")), result.effective
    dates = [fracture.since for fracture in fractures(case.profile) if fracture.since is not None]
    return taken is not None and any(
        lies_within(date, months, taken.earliest) and date.earliest <= taken.latest for date in dates
    )


def _is_early(change: Change, start: ClinicalTime, knowledge: Knowledge) -> bool:
    """Whether the markers were taken before a response can be missed; one that is there already counts."""
    months, taken = int(knowledge.number("response_months")), change.after.effective
    return taken is not None and lies_within(start, months, taken.latest) is not False


def _change(marker: str, profile: PatientProfile, start: ClinicalTime, knowledge: Knowledge) -> Change | None:
    after = profile.results.get(marker)
    if after is None or not _is_comparable(after) or after.effective is None or after.effective.latest <= start.latest:
        return None
    before = _baseline(after, profile, start, knowledge)
    if before is None or not before.value.exact or after.value.exact is None:
        return None
    amount = after.value.exact - before.value.exact
    return Change(before, after, after.value.exact, amount, rounded(100 * amount / before.value.exact))


def _baseline(
    after: MarkerResult, profile: PatientProfile, start: ClinicalTime, knowledge: Knowledge
) -> MarkerResult | None:
    """The last comparable result from before the treatment, as old at its beginning as a usable result may be."""
    months = knowledge.markers[after.marker].max_age_months
    oldest = None if months is None else months_before(start.earliest, months)
    fitting = [
        result
        for result in profile.history.get(after.marker, ())
        if _is_comparable(result)
        and result.assay == after.assay
        and result.effective is not None
        and result.effective.latest <= start.latest
        and (oldest is None or result.effective.earliest >= oldest)
    ]
    return fitting[-1] if fitting else None


def _is_comparable(result: MarkerResult) -> bool:
    """A number, by an assay that is named (two assays or laboratories do not compare), and no CTX after a meal."""
    return (
        result.value.exact is not None
        and bool(result.assay)
        and not (result.marker == "ctx" and result.fasting is False)
    )


def _responds(change: Change, kinds: set[str], profile: PatientProfile, knowledge: Knowledge) -> bool | None:
    if kinds.intersection(ANABOLIC):
        # The reverse of antiresorptives, and read from P1NP alone.
        is_p1np = change.after.marker == "p1np"
        return change.amount > knowledge.number("anabolic_p1np_rise") if is_p1np else None
    if change.percent >= _needed(change, knowledge):
        # Low as it may be, a marker that rose under what holds it down did not change as expected.
        return None
    return _fell_enough(change, knowledge) or _is_low_enough(change, profile, knowledge)


def _fell_enough(change: Change, knowledge: Knowledge) -> bool:
    return -change.percent >= _needed(change, knowledge)


def _needed(change: Change, knowledge: Knowledge) -> Decimal:
    """The least significant change of the marker; for P1NP the general one suffices ("≥ 38 % or ≥ 30 %")."""
    needed = knowledge.number(_LEAST_CHANGES[change.after.marker])
    return min(needed, knowledge.number("lsc_general")) if change.after.marker == "p1np" else needed


def _is_low_enough(change: Change, profile: PatientProfile, knowledge: Knowledge) -> bool:
    """P1NP below its target, or any marker in the lower half of the premenopausal (young-adult) interval."""
    if change.after.marker == "p1np" and change.level < knowledge.number("p1np_target"):
        return True
    limits = young_adult_limits(change.after, profile, knowledge)
    return limits is not None and change.level <= (limits[0] + limits[1]) / 2
