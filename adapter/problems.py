"""What was wrong with one piece of data, said so that a person can find and mend it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

NO_VALUES: Mapping[str, str] = {}


class Severity(StrEnum):
    """How much a problem matters; FHIR's issue-severity words."""

    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"


class ProblemCode(StrEnum):
    """Why a piece of data was set aside, or used with a caution."""

    # the bytes and the container
    JSON_INVALID = "json-invalid"
    ENTRY_INVALID = "entry-invalid"
    TYPE_UNKNOWN = "type-unknown"
    RELEASE_MIXED = "release-mixed"
    RELEASE_ASSUMED = "release-assumed"
    OPERATION_OUTCOME = "operation-outcome"
    DELETED = "deleted"
    BUNDLE_DUPLICATE = "bundle-duplicate"
    FULL_URL_MISMATCH = "full-url-mismatch"
    # the server
    SEARCH_INCOMPLETE = "search-incomplete"
    SEARCH_NARROWED = "search-narrowed"
    PARAMETER_IGNORED = "parameter-ignored"
    WAY_CHANGED = "way-changed"
    CLOCK_DIFFERS = "clock-differs"
    # the resource as a whole
    STATUS_NOT_USABLE = "status-not-usable"
    MODIFIER_UNKNOWN = "modifier-unknown"
    IMPLICIT_RULES = "implicit-rules"
    SUBSETTED = "subsetted"
    ELEMENT_INVALID = "element-invalid"
    FOCUS_ELSEWHERE = "focus-elsewhere"
    SUBJECT_UNRESOLVED = "subject-unresolved"
    SUBJECT_AMBIGUOUS = "subject-ambiguous"
    PATIENT_MISSING = "patient-missing"
    PATIENT_REPLACES = "patient-replaces"
    # the code
    CODE_DENIED = "code-denied"
    CODE_WITHOUT_SYSTEM = "code-without-system"
    CODE_INVALID = "code-invalid"
    CODE_CONFLICT = "code-conflict"
    CODE_SYSTEM_ALIAS = "code-system-alias"
    CODE_DISPLAY_CONTRADICTS = "code-display-contradicts"
    SITE_NOT_DIAGNOSTIC = "site-not-diagnostic"
    SPECIMEN_CONTRADICTS = "specimen-contradicts"
    SPECIMEN_UNFIT = "specimen-unfit"
    # the value
    VALUE_MISSING = "value-missing"
    VALUE_ABSENT = "value-absent"
    VALUE_TYPE = "value-type"
    VALUE_TEXT = "value-text"
    COMPARATOR_INVALID = "comparator-invalid"
    UNIT_MISSING = "unit-missing"
    UNIT_UNKNOWN = "unit-unknown"
    UNIT_ALIAS = "unit-alias"
    UNIT_CONTRADICTS = "unit-contradicts"
    PROPERTY_CONTRADICTS = "property-contradicts"
    IMPLAUSIBLE = "implausible"
    SCALE_UNCLEAR = "scale-unclear"
    RANGE_NOT_USED = "range-not-used"
    INTERPRETATION_DIFFERS = "interpretation-differs"
    # the time
    TIME_MISSING = "time-missing"
    TIME_INVALID = "time-invalid"
    TIME_ZONE_MISSING = "time-zone-missing"
    IN_THE_FUTURE = "in-the-future"
    TOO_OLD = "too-old"
    # choosing among results
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    # conditions for reading a result
    NOT_FASTING = "not-fasting"
    KIND_UNCLEAR = "kind-unclear"
    COLLECTION_INCOMPLETE = "collection-incomplete"
    SCORES_CONTRADICT = "scores-contradict"
    FACTOR_NOT_USABLE = "factor-not-usable"
    NOT_UNDERSTOOD = "not-understood"
    # writing to a server
    ANSWER_UNCLEAR = "answer-unclear"
    WRITTEN_TWICE = "written-twice"
    EDITED_SINCE = "edited-since"
    AUDIT_NOT_STORED = "audit-not-stored"
    # being told by a server
    NOTIFICATION_INVALID = "notification-invalid"


class Problem(msgspec.Struct, frozen=True, gc=False):
    """One thing wrong with one place in the input, and what was done about it.

    Attributes:
        code: The kind of problem.
        where: Path in the input: file, line or entry, element.
        sentence: What was found and what was expected, in English, with the names of its ``values`` in braces; no
            patient's name or identifier. Other languages know it by these words (``mappings/sentences.*.toml``).
        then: What was done: "the result was set aside", "the value was used with a caution".
        resource: The resource it concerns, as ``Type/id``; empty where it has none.
        severity: How much it matters.
        used: True where the data was used all the same, with this caution.
        values: What stands in the sentence, by name; ``marker`` and ``site`` are words of the mappings.
    """

    code: ProblemCode
    where: str
    sentence: str
    then: str = "the result was set aside"
    resource: str = ""
    severity: Severity = Severity.ERROR
    used: bool = False
    values: Mapping[str, str] = {}

    @property
    def what(self) -> str:
        """The sentence with its values, in English."""
        return self.sentence.format_map(self.values) if self.values else self.sentence

    def told(self) -> str:
        """Where, what and what was done, in one line for people."""
        return ": ".join(part for part in (self.where, f"{self.what}; {self.then}") if part)
