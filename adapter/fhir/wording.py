"""The assessment put into words, once, for the narrative, the notes and the rationale alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Context

import msgspec

from adapter.clinical.assessment import Assessment, Authority, Evidence, Finding, Score
from adapter.clinical.patient import Patient
from adapter.clinical.results import MarkerResult, RiskFactor
from adapter.clinical.time import ClinicalTime
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem

# UCUM's unit of a number without dimension, such as a T-score.
_NO_UNIT = "1"
_FOR_THE_EYE = Context(prec=5)
_NOTHING: Mapping[str, str] = {}
# The values of a finding that are lists of the engines' own names.
_NAMING = frozenset({"inputs", "triggers", "markers", "changes"})
_NAME = re.compile("[a-z][a-z-]+")
_NAMED_AT_MOST = 10
_AT_A_SITE = frozenset({"left", "right", "fracture"})
_BRACKETS = re.compile(r" \(([^()]*)\)")
# XML 1.0 has no place for these, not even escaped (w3.org/TR/xml/#charsets); FHIR's string has none either.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class Used(msgspec.Struct, frozen=True):
    """One input in use, in words."""

    what: str
    value: str
    when: str
    limits: str = ""
    reading: str = ""
    source: str = ""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the assessment says, in words, in the order to be read; no text holds a forbidden character.

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


def teller_of(language: str, knowledge: Knowledge) -> Teller:
    """Who tells things in this language; to be remembered with the knowledge."""
    return Teller(knowledge, language)


class Teller:
    """Puts things into the words of one language."""

    def __init__(self, knowledge: Knowledge, language: str) -> None:
        """Take the names from this knowledge and the texts from its mapping for this language."""
        self.knowledge = knowledge
        self.language = language
        self._texts = knowledge.texts.get(language, _NOTHING)
        self._sentences = knowledge.sentences.get(language, _NOTHING)
        self._said: dict[str, str] = {}
        self.colon, self.semicolon, self.comma = (self.say(f"page.{mark}") for mark in ("colon", "semicolon", "comma"))
        self._space, self._open, self._close = (self.say(f"page.{mark}") for mark in ("space", "open", "close"))

    def say(self, key: str, values: Mapping[str, str] = _NOTHING) -> str:
        """The text of this key with its values filled in.

        A text that is missing, or does not fit its values, costs no finding: key and values are given between ⟦ ⟧
        instead, and the tests look for that sign in everything that is written.
        """
        if values:
            return self._filled_in(key, values)
        said = self._said.get(key)
        if said is None:
            said = self._said[key] = self._filled_in(key, values)
        return said

    def _filled_in(self, key: str, values: Mapping[str, str]) -> str:
        try:
            return self._texts[key].format_map(values)
        except (KeyError, IndexError, ValueError, AttributeError):
            return f"⟦{key} {'; '.join(f'{name}={value}' for name, value in values.items())}⟧"

    def told(self, problem: Problem) -> str:
        """Where, what and what was done, in one line for people."""
        return self.colon.join(filter(None, (problem.where, self.problem(problem))))

    def problem(self, problem: Problem) -> str:
        """What was found and what was done about it, in this language."""
        sentences, sentence = self._sentences, problem.sentence
        what = sentences.get(sentence, sentence)
        if problem.values:
            what = what.format_map({name: self._value(name, value) for name, value in problem.values.items()})
        return f"{what}{self.semicolon}{sentences.get(problem.then, problem.then)}"

    def _value(self, name: str, value: str) -> str:
        """What stands in a sentence: the words of the mappings by their names, and what can be said otherwise."""
        if name == "marker":
            return self._name_of(value)
        if name == "site":
            return self._texts.get(f"site.{value}", value)
        return self._sentences.get(value) or ", ".join(self._sentences.get(each, each) for each in value.split(", "))

    def _name_of(self, marker: str) -> str:
        known = self.knowledge.markers.get(marker)
        return known.name.get(self.language, marker) if known else marker

    def _cited(self, source: str, sureness: str) -> str:
        """A source and how sure it is; its citation stays as it is."""
        return f"{self._sentences.get(source, source)}{self._in_brackets(sureness)}"

    def _in_brackets(self, text: str) -> str:
        return f"{self._open}{text}{self._close}"

    def account(self, assessment: Assessment, problems: Sequence[Problem]) -> Account:
        """The whole assessment in words; problems are what was set aside and what was used with a caution."""
        alerts, grounds, plan, remarks = self._findings(assessment)
        cautions = [problem for problem in problems if problem.used]
        set_aside = [problem for problem in problems if not problem.used]
        named = self.knowledge
        rules = {"name": named.name, "version": named.version, "fingerprint": named.fingerprint}
        return Account(
            headline=plain(self._headline(assessment)),
            alerts=_all_plain(alerts),
            grounds=plain(self._space.join(grounds)),
            plan=plain(self._space.join(plan)),
            remarks=_all_plain([*remarks, *self._problems(cautions)]),
            used=_all_used([self._used(evidence, assessment) for evidence in assessment.evidence]),
            scores=_all_plain([self._score(score) for score in assessment.scores]),
            missing=_all_plain([self.say(key) for key in assessment.missing]),
            set_aside=_all_plain(self._problems(set_aside)),
            rules=plain(self.say("page.rules", rules)),
            disclaimer=plain(self.say("disclaimer")),
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
        return f"{headline}{self._space}{self.say('page.preliminary')}" if assessment.preliminary else headline

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
        values = {n: self._in_words(v) if n in _NAMING else v for n, v in finding.values.items()}
        sentence = self.say(finding.text_key, values)
        source = f"{self.semicolon}{self._cited(finding.source, finding.sureness)}" if finding.source else ""
        return f"{sentence} [{finding.rule}{source}]"

    def _used(self, evidence: Evidence, assessment: Assessment) -> tuple[str, ...]:
        result, limits = evidence.result, evidence.limits
        if isinstance(result, Patient):
            return (*self._patient(result, assessment.age), "", "", "")
        words = self._marker(result) if isinstance(result, MarkerResult) else self._factor(result)
        reading = self._reading(evidence.reading, result.cautions) if result.cautions else evidence.reading
        if limits is None:
            return (*words, "", reading, "")
        shown = f"{limits.text}{self._in_brackets(self.say(f'authority.{limits.authority}'))}"
        source = limits.source
        if limits.authority is Authority.REPORT and isinstance(result, MarkerResult):
            source = self.say("page.range-of", {"resource": result.resource})
        return (*words, shown, reading, self._cited(source, limits.sureness))

    def _patient(self, patient: Patient, age: int | None) -> tuple[str, str, str]:
        values = {"age": "–" if age is None else str(age), "sex": self.say(f"sex.{patient.sex or 'unknown'}")}
        return self.say("page.patient"), self.say("page.age-and-sex", values), ""

    def marker_name(self, result: MarkerResult) -> str:
        """What was measured, and where on the skeleton."""
        return self._with_site(self._name_of(result.marker), result.site, result.side)

    def _marker(self, result: MarkerResult) -> tuple[str, str, str]:
        return self.marker_name(result), _value(result), _when(result.effective)

    def _factor(self, factor: RiskFactor) -> tuple[str, str, str]:
        answer = self.say("page.yes" if factor.present else "page.no")
        since, until = _when(factor.since), _when(factor.until)
        if factor.amount is not None:
            amount = f"{_FOR_THE_EYE.create_decimal(factor.amount).normalize():f}"
            key = f"amount.{factor.kind}"
            answer += self._in_brackets(self.say(key, {"amount": amount}) if key in self._texts else amount)
        name = self._with_site(self.say(f"factor.{factor.kind}"), factor.site)
        return name, answer, f"{since} – {until}" if until else since

    def _with_site(self, name: str, site: str, side: str = "") -> str:
        return f"{name}{self._in_brackets(self._place(site, side))}" if site else name

    def _place(self, site: str, kind: str) -> str:
        """A skeletal site, and what is said of it: which side of the body it is on, or that it broke."""
        place = self.say(f"site.{site}")
        return self.say(f"at.{kind}", {"site": place}) if kind else place

    def _reading(self, reading: str, cautions: Sequence[str]) -> str:
        """Low, normal or high, and what to be careful about: a word of the mappings, or the kind of a problem."""
        keys = [f"caution.{word}" if f"caution.{word}" in self._texts else f"problem.{word}" for word in cautions]
        return self.semicolon.join(filter(None, (reading, *map(self.say, keys))))

    def _score(self, score: Score) -> str:
        """The line of one score; beside QFracture's, whatever the engine says, the words that its licence demands."""
        values = {
            "engine": self._named(f"engine.{score.engine}", score.engine),
            "value": score.text if score.text.endswith(score.unit) else f"{score.text} {score.unit}",
            "inputs": self.comma.join([self._input(name, value) for name, value in score.inputs.items()]) or "–",
        }
        if is_probability(score):
            values["outcome"] = self.say(f"outcome.{score.outcome}") if score.outcome else ""
            values["years"] = str(score.horizon_years)
            line = self.say("score.probability", values)
        else:
            line = self.say("score.index", values)
        if score.caveats:
            line = self._space.join([line, *map(self.say, score.caveats)])
        qfracture = self.knowledge.qfracture
        if qfracture and score.engine.startswith("QFracture") and qfracture.disclaimer not in line:
            return f"{line} {qfracture.disclaimer}"
        return line

    def _input(self, name: str, value: str) -> str:
        """One input of a score; QFracture's flags by the factors that set them."""
        if whole := self._texts.get(f"input.{name}.{value}"):
            return whole
        flags = self._flags(value) if name == "recorded" else ""
        shown = flags or self._texts.get(f"input.value.{value}", value)
        return f"{self._named(f'input.{name}', name)} {shown}"

    def _flags(self, names: str) -> str:
        """QFracture's flags by the factors that set them; empty where one of them is not known."""
        flags = self.knowledge.qfracture.flags if self.knowledge.qfracture else {}
        parts = [flags[name].factors if name in flags else () for name in names.split(", ")]
        said = [" / ".join(self.say(f"factor.{factor}") for factor in factors) for factors in parts]
        return self.comma.join(said) if all(parts) else ""

    def _named(self, key: str, name: str) -> str:
        """The text of this key, else the name of the marker, else the name as it is."""
        return self._texts.get(key) or self._name_of(name)

    def _in_words(self, names: str) -> str:
        """The names of triggers, sites and fractures in a list of the engines; whatever else stands there stays."""
        named = _NAME.sub(lambda name: self._word(name[0]), names)
        if self._space:
            return named
        # Chinese has its own marks between the items, and no spaces.
        named = _BRACKETS.sub(lambda match: self._in_brackets(match[1]), named)
        return named.replace("; ", self.semicolon).replace(", ", self.comma)

    def _word(self, name: str) -> str:
        """A name of the engines in words: ``very-low-t``, ``hip``, ``left-hip``, ``fracture-hip``."""
        kind, _, site = name.partition("-")
        if kind in _AT_A_SITE and f"site.{site}" in self._texts:
            return self._place(site, kind)
        return (
            self._texts.get(f"trigger.{name}")
            or self._texts.get(f"site.{name}")
            or self._texts.get(f"factor.{name}", name)
        )

    def _problems(self, problems: Sequence[Problem]) -> tuple[str, ...]:
        """One line per reason. Sorted, so that the order of the input changes nothing; without paths into files."""
        concerned: dict[tuple[str, str], set[str]] = {}
        for problem in problems:
            concerned.setdefault((problem.code, self.problem(problem)), set()).add(problem.resource)
        return tuple(
            [
                f"{self.say(f'problem.{code}')}{self.colon}{told}{self._resources(resources)}"
                for (code, told), resources in sorted(concerned.items(), key=lambda item: item[0])
            ]
        )

    def _resources(self, resources: set[str]) -> str:
        """The resources in brackets; of very many the first, and how many more: ``explain --json`` names them all."""
        names = sorted(resources - {""})
        if len(names) > _NAMED_AT_MOST:
            names[_NAMED_AT_MOST:] = [self.say("page.more", {"number": str(len(names) - _NAMED_AT_MOST)})]
        return self._in_brackets(self.comma.join(names)) if names else ""


def plain(text: str) -> str:
    """The text without the control characters that FHIR and XML forbid."""
    # None of them is printable, and asking that takes half the time of searching.
    return text if text.isprintable() else _FORBIDDEN.sub("�", text)


def _all_plain(texts: Sequence[str]) -> tuple[str, ...]:
    """The texts without forbidden characters; asked of all at once, for hardly ever is there one."""
    return tuple(texts if "".join(texts).isprintable() else [plain(text) for text in texts])


def _all_used(rows: Sequence[Sequence[str]]) -> tuple[Used, ...]:
    if not "".join(["".join(row) for row in rows]).isprintable():
        rows = [_all_plain(row) for row in rows]
    return tuple([Used(*row) for row in rows])


def is_probability(score: Score) -> bool:
    """Whether the score is a probability in percent over a stated number of years, not an index."""
    return score.horizon_years is not None and score.unit == "%"


def _value(result: MarkerResult) -> str:
    """The digits as received, and the canonical value where the unit was another, rounded for the eye."""
    received = result.digits if result.received_unit in ("", _NO_UNIT) else f"{result.digits} {result.received_unit}"
    exact = None if result.unit in (result.received_unit, _NO_UNIT) else result.value.exact
    if exact is None:
        return received
    rounded = _FOR_THE_EYE.create_decimal(exact)
    sign = "=" if rounded == exact else "≈"
    return f"{received} {sign} {rounded.normalize():f} {result.unit}"


def _when(time: ClinicalTime | None) -> str:
    return time.text if time else ""
