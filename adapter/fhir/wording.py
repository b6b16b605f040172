"""The assessment put into words, once, for the narrative, the notes and the rationale alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from adapter.clinical.assessment import AppliedLimits, Assessment, Evidence, Finding, Score
from adapter.clinical.results import MarkerResult, RiskFactor
from adapter.clinical.time import ClinicalTime
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem

_NOTHING: Mapping[str, str] = {}


class Used(msgspec.Struct, frozen=True):
    """One input in use, in words."""

    what: str
    value: str
    when: str
    limits: str = ""
    reading: str = ""
    source: str = ""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the assessment says, in words, in the order to be read.

    Attributes:
        headline: Category, turnover state, and whether it is preliminary.
        alerts: What is to be read before the plan: critical values and gates.
        grounds: Why this category: the sentences of the rule that decided.
        plan: What the pathway suggests that the clinician consider; empty where a gate leaves no plan.
        remarks: Every other finding: turnover, flags, cautions.
        scores: One line per probability or index, in the order of ``assessment.scores``.
        set_aside: One line per reason, with the resources it concerns.
    """

    headline: str
    alerts: tuple[str, ...]
    grounds: str
    plan: str
    remarks: tuple[str, ...]
    used: tuple[Used, ...]
    scores: tuple[str, ...]
    missing: tuple[str, ...]
    set_aside: tuple[str, ...]
    rules: str
    disclaimer: str


def say(knowledge: Knowledge, language: str, key: str, values: Mapping[str, str] = _NOTHING) -> str:
    """The text of this key with its values filled in.

    A text that is missing, or does not fit its values, costs no finding: key and values are given between ⟦ ⟧ instead,
    and the tests look for that sign in everything that is written.
    """
    try:
        return knowledge.texts[language][key].format_map(values)
    except (KeyError, IndexError, ValueError, AttributeError):
        return f"⟦{key} {'; '.join(f'{name}={value}' for name, value in values.items())}⟧"


class Teller(msgspec.Struct, frozen=True):
    """Puts things into the words of one language."""

    knowledge: Knowledge
    language: str

    def say(self, key: str, values: Mapping[str, str] = _NOTHING) -> str:
        """The text of this key in this language."""
        return say(self.knowledge, self.language, key, values)

    def account(self, assessment: Assessment, problems: Sequence[Problem]) -> Account:
        """The whole assessment in words; problems are what was set aside and what was used with a caution."""
        alerts, grounds, plan, remarks = self._findings(assessment)
        cautions = [*assessment.cautions, *(problem for problem in problems if problem.used)]
        return Account(
            headline=self._headline(assessment),
            alerts=tuple(alerts),
            grounds=" ".join(grounds),
            plan=" ".join(plan),
            remarks=(*remarks, *self._problems(cautions)),
            used=tuple([self._used(evidence, assessment) for evidence in assessment.evidence]),
            scores=tuple([self._score(score) for score in assessment.scores]),
            missing=tuple([self.say(key) for key in assessment.missing]),
            set_aside=self._problems([problem for problem in problems if not problem.used]),
            rules=self.say(
                "page.rules",
                {
                    "name": self.knowledge.name,
                    "version": self.knowledge.version,
                    "fingerprint": self.knowledge.fingerprint,
                },
            ),
            disclaimer=self.say("disclaimer"),
        )

    def _headline(self, assessment: Assessment) -> str:
        headline = self.say(
            "page.headline",
            {
                "stratum": self.say(f"stratum.{assessment.stratum}"),
                "rule": assessment.stratum_rule or "–",
                "turnover": self.say(f"turnover.{assessment.turnover}"),
                "plan": assessment.plan or "–",
            },
        )
        return f"{headline} {self.say('page.preliminary')}" if assessment.preliminary else headline

    def _findings(self, assessment: Assessment) -> tuple[list[str], list[str], list[str], list[str]]:
        """Each finding once: as alert, as grounds of the category, as plan, or as a remark."""
        alerts: list[str] = []
        grounds: list[str] = []
        plan: list[str] = []
        remarks: list[str] = []
        for finding in assessment.findings:
            if finding.rule == assessment.stratum_rule:
                place = grounds
            elif finding.rule == assessment.plan:
                place = plan
            elif finding.rule in assessment.gates or finding.rule.startswith("critical-"):
                place = alerts
            else:
                place = remarks
            place.append(self._finding(finding))
        return alerts, grounds, plan, remarks

    def _finding(self, finding: Finding) -> str:
        """The sentence with its rule, and where the rule comes from."""
        sentence = self.say(finding.text_key, finding.values)
        source = f"; {finding.source} ({finding.sureness})" if finding.source else ""
        return f"{sentence} [{finding.rule}{source}]"

    def _used(self, evidence: Evidence, assessment: Assessment) -> Used:
        result = evidence.result
        if isinstance(result, MarkerResult):
            return self._used_result(result, evidence)
        if isinstance(result, RiskFactor):
            return self._used_factor(result, evidence)
        age = "–" if assessment.age is None else str(assessment.age)
        values = {"age": age, "sex": self.say(f"sex.{result.sex or 'unknown'}")}
        return Used(self.say("page.patient"), self.say("page.age-and-sex", values), "")

    def _used_result(self, result: MarkerResult, evidence: Evidence) -> Used:
        names = self.knowledge.markers[result.marker].name if result.marker in self.knowledge.markers else _NOTHING
        name = names.get(self.language, result.marker)
        limits = evidence.limits
        return Used(
            f"{name} ({self.say(f'site.{result.site}')})" if result.site else name,
            _value(result),
            _when(result.effective),
            self._limits(limits) if limits else "",
            self._reading(result, evidence),
            f"{limits.source} ({limits.sureness})" if limits else "",
        )

    def _limits(self, limits: AppliedLimits) -> str:
        return f"{limits.text} ({self.say(f'authority.{limits.authority}')})"

    def _used_factor(self, factor: RiskFactor, evidence: Evidence) -> Used:
        answer = self.say("page.yes" if factor.present else "page.no")
        site = f" ({self.say(f'site.{factor.site}')})" if factor.site else ""
        since, until = _when(factor.since), _when(factor.until)
        return Used(
            f"{self.say(f'factor.{factor.kind}')}{site}",
            answer if factor.amount is None else f"{answer} ({factor.amount})",
            f"{since} – {until}" if until else since,
            reading=self._reading(factor, evidence),
        )

    def _reading(self, result: MarkerResult | RiskFactor, evidence: Evidence) -> str:
        """Low, normal or high, and what to be careful about: a word of the mappings, or the kind of a problem."""
        texts = self.knowledge.texts.get(self.language, _NOTHING)
        keys = (f"caution.{word}" if f"caution.{word}" in texts else f"problem.{word}" for word in result.cautions)
        return "; ".join([part for part in (evidence.reading, *map(self.say, keys)) if part])

    def _score(self, score: Score) -> str:
        """The line of one score; beside QFracture's, whatever the engine says, the words that its licence demands."""
        line = self.say(
            "score.probability" if is_probability(score) else "score.index",
            {
                "engine": score.engine,
                "outcome": self.say(f"outcome.{score.outcome}") if score.outcome else "",
                "value": score.text if score.text.endswith(score.unit) else f"{score.text} {score.unit}",
                "years": str(score.horizon_years),
                "inputs": ", ".join([f"{name} {value}" for name, value in score.inputs.items()]) or "–",
            },
        )
        line = " ".join([line, *map(self.say, score.caveats)])
        qfracture = self.knowledge.qfracture
        if qfracture is None or not score.engine.startswith("QFracture") or qfracture.disclaimer in line:
            return line
        return f"{line} {qfracture.disclaimer}"

    def _problems(self, problems: Sequence[Problem]) -> tuple[str, ...]:
        """One line per reason. Sorted, so that the order of the input changes nothing; without paths into files."""
        concerned: dict[tuple[str, str, str], set[str]] = {}
        for problem in problems:
            concerned.setdefault((problem.code, problem.what, problem.then), set()).add(problem.resource)
        return tuple(
            [
                f"{self.say(f'problem.{code}')}: {what}; {then}{_named(resources)}"
                for (code, what, then), resources in sorted(concerned.items(), key=lambda item: item[0])
            ]
        )


def is_probability(score: Score) -> bool:
    """Whether the score is a probability in percent over a stated number of years, not an index."""
    return score.horizon_years is not None and score.unit == "%"


def _named(resources: set[str]) -> str:
    names = ", ".join(sorted(resources - {""}))
    return f" ({names})" if names else ""


def _value(result: MarkerResult) -> str:
    """The digits as received, and the canonical value where the unit was another."""
    received = f"{result.digits} {result.received_unit}".rstrip()
    if result.received_unit == result.unit or result.value.exact is None:
        return received
    return f"{received} = {result.value.exact:f} {result.unit}"


def _when(time: ClinicalTime | None) -> str:
    return time.text if time else ""
