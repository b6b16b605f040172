"""Results as reported by the sender, and as understood by us.

These are msgspec structs, not pydantic models: millions of them pass in a bulk run. They hold no cycles, so the garbage
collector need not look at them.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from adapter.clinical.time import ClinicalTime, clinical_time
from adapter.clinical.values import Interval


class Coding(msgspec.Struct, frozen=True, gc=False):
    """A code with its system, and what the sender displays for it."""

    system: str
    code: str
    display: str = ""


class Concept(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """A CodeableConcept: codings and free text. Text is shown, never matched for meaning (but see ``site_words``)."""

    codings: tuple[Coding, ...] = ()
    text: str = ""


class ReportedQuantity(msgspec.Struct, frozen=True, gc=False):
    """A Quantity as received. ``value`` keeps every digit; units are untouched."""

    value: Decimal | None
    comparator: str = ""
    unit: str = ""
    system: str = ""
    code: str = ""


class ReportedRange(msgspec.Struct, frozen=True, gc=False):
    """A Range as received; a missing end is open."""

    low: ReportedQuantity | None = None
    high: ReportedQuantity | None = None


class ReportedRatio(msgspec.Struct, frozen=True, gc=False):
    """A Ratio as received, e.g. 324 mg / 24 h."""

    numerator: ReportedQuantity | None = None
    denominator: ReportedQuantity | None = None


class ReportedText(msgspec.Struct, frozen=True, gc=False):
    """A valueString as received; a number is read out of it only when the strict grammar is switched on."""

    text: str


class ReportedOther(msgspec.Struct, frozen=True, gc=False):
    """A value of a type from which no number is read: boolean, time, sampled data, attachment."""

    type: str
    boolean: bool | None = None
    time: ClinicalTime | None = None


ReportedValue = ReportedQuantity | ReportedRange | ReportedRatio | ReportedText | ReportedOther | Concept


class ReferenceRange(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """One referenceRange as received; ``type`` empty means normal. ``text_only`` ranges are shown, never parsed."""

    low: ReportedQuantity | None = None
    high: ReportedQuantity | None = None
    type: Concept = Concept()
    applies_to: tuple[Concept, ...] = ()
    age: ReportedRange | None = None
    text: str = ""


class LabTest(msgspec.Struct, frozen=True, kw_only=True, gc=False, cache_hash=True):
    """What was done, where and how, and in which unit: the same in every result of one test of one laboratory.

    What a number means is understood from this, once for all results that share it.

    Attributes:
        unit: The Quantity but for its number, where the value is one.
        specimen: Its type.
        panel: ``code`` of the parent Observation when this is a component.
    """

    code: Concept
    unit: ReportedQuantity | None = None
    body_site: Concept = Concept()
    method: Concept = Concept()
    device: str = ""
    performer: str = ""
    specimen: Concept = Concept()
    panel: Concept | None = None
    notes: tuple[str, ...] = ()


class LabResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One Observation, or one component of one, as reported and proved readable.

    Attributes:
        where: Path of the value in the input, e.g. ``a.json#Bundle.entry[3].resource`` or ``….component[1]``.
        entry: Path of the entry it came in; several results of one entry share it.
        resource: ``Observation/id`` (or the fullUrl where there is no id).
        version: ``meta.versionId`` or empty.
        patient: Key of the resolved patient.
        status: One of final, amended, corrected, preliminary.
        issued, last_updated: As written; they are looked at only where several results compete.
        related: References of ``derivedFrom``, as written.
        members: References of ``hasMember``, as written.
    """

    where: str
    entry: str
    resource: str
    patient: str
    status: str
    test: LabTest
    value: ReportedValue | None = None
    absent_reason: str = ""
    version: str = ""
    effective: ClinicalTime | None = None
    issued: str = ""
    last_updated: str = ""
    specimen_collected: ClinicalTime | None = None
    fasting: bool | None = None
    interpretation: tuple[Coding, ...] = ()
    reference_ranges: tuple[ReferenceRange, ...] = ()
    identifiers: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    security: tuple[Coding, ...] = ()

    @property
    def code(self) -> Concept:
        """What was measured."""
        return self.test.code


class StatementKind(StrEnum):
    """The resource types that carry risk factors besides Observation."""

    CONDITION = "Condition"
    MEDICATION = "Medication"
    FAMILY_HISTORY = "FamilyMemberHistory"
    PROCEDURE = "Procedure"


class Statement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A Condition, Medication…, FamilyMemberHistory condition or Procedure as reported and usable.

    Attributes:
        code: Condition.code, medication code, procedure code or the relative's condition.
        relationship: FamilyMemberHistory.relationship.
        since: onset, performed or start of the medication.
        until: abatement or end of the medication; ``None`` means not given.
        ended: True where a status says that it is over (resolved, completed, stopped) though no date does.
        daily_dose: What one day's dosage instruction adds up to, where it is written as numbers; else ``None``.
        body_sites: Body sites coded beside the code.
    """

    kind: StatementKind
    where: str
    entry: str
    resource: str
    patient: str
    code: Concept
    version: str = ""
    relationship: Concept = Concept()
    since: ClinicalTime | None = None
    until: ClinicalTime | None = None
    recorded: ClinicalTime | None = None
    ended: bool = False
    daily_dose: ReportedQuantity | None = None
    body_sites: tuple[Concept, ...] = ()
    onset_age: Decimal | None = None
    security: tuple[Coding, ...] = ()


class MarkerResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One result as understood: which marker, how much in its canonical unit, when, and what to be careful about.

    Attributes:
        marker: Id of the marker in ``mappings/``.
        value: In the marker's canonical unit.
        unit: That canonical unit (UCUM).
        digits: The digits as received, with comparator: ``<0.050``.
        received_unit: The unit as received.
        site: Skeletal site of a DXA result (``hip``, ``femur``, ``lumbar-spine``, ``radius-ulna``, ``femoral-neck``,
            ``total-hip``, ``distal-third-radius``, ``unspecified``); empty elsewhere.
        side: ``left`` or ``right`` where a DXA result says so: the two are regions of their own; empty elsewhere.
        with_bmd: For a FRAX probability: computed with bone density? ``None`` is unknown.
        assay: What tells two assays apart: method, device and performer as given; empty if not given.
        cautions: Why the result is to be read with care; codes of ``ProblemCode`` or words of ``mappings/`` flags.
        code: The LOINC (or mapped) code that was recognised.
        issued, last_updated: As written; they are looked at only where several results compete.
        rank: Of several codes for one marker at one time the lower is preferred (CKD-EPI 2021 before MDRD).
    """

    marker: str
    value: Interval
    unit: str
    digits: str
    received_unit: str
    where: str
    entry: str
    resource: str
    patient: str
    code: str
    rank: int = 0
    version: str = ""
    status: str = "final"
    effective: ClinicalTime | None = None
    issued: str = ""
    last_updated: str = ""
    site: str = ""
    side: str = ""
    with_bmd: bool | None = None
    country: str = ""
    assay: str = ""
    fasting: bool | None = None
    collected: ClinicalTime | None = None
    reference_ranges: tuple[ReferenceRange, ...] = ()
    interpretation: tuple[Coding, ...] = ()
    cautions: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    security: tuple[Coding, ...] = ()

    @property
    def issued_at(self) -> ClinicalTime | None:
        """When the laboratory gave it out; ``None`` where that is not given or not readable."""
        return clinical_time(self.issued)

    @property
    def updated_at(self) -> ClinicalTime | None:
        """When the server took it in; ``None`` where that is not given or not readable."""
        return clinical_time(self.last_updated)


class RiskFactor(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A recorded answer about the patient: present, or explicitly absent. What is not recorded has no RiskFactor.

    Attributes:
        kind: Id of the factor in ``mappings/factors.toml``.
        present: False only where the record says no (never-smoker, no falls); never from silence.
        since, until: When it holds; ``None`` is not given.
        ended: The record says it is over, without a date.
        site: For fractures: ``hip``, ``vertebra``, ``proximal-humerus``, ``pelvis``, ``distal-forearm``, ``other``.
        fragility: For fractures: whether low trauma is established; ``None`` is unknown.
        amount: A count (falls), an age (menopause), or a daily dose in mg prednisolone-equivalent (glucocorticoid).
        code: ``system|code`` that was recognised.
    """

    kind: str
    where: str
    entry: str
    resource: str
    patient: str
    code: str
    present: bool = True
    version: str = ""
    since: ClinicalTime | None = None
    until: ClinicalTime | None = None
    ended: bool = False
    site: str = ""
    fragility: bool | None = None
    amount: Decimal | None = None
    cautions: tuple[str, ...] = ()
    security: tuple[Coding, ...] = ()


class ReportedPrediction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One prediction of somebody else's RiskAssessment as reported and usable (that is how some systems carry FRAX).

    Attributes:
        probability: Percent as received (``probabilityDecimal``), or the range's bounds; ``None`` if none was given.
        unit: ``%`` for a probabilityRange in percent; empty for a bare ``probabilityDecimal``.
    """

    where: str
    entry: str
    resource: str
    patient: str
    status: str
    method: Concept
    code: Concept
    outcome: Concept
    probability: Interval | None
    digits: str = ""
    unit: str = ""
    horizon_years: Decimal | None = None
    rationale: str = ""
    version: str = ""
    occurrence: ClinicalTime | None = None
    basis: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
