"""Law: the product says of every patient what a second, independent reading of the decision table says."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from random import Random

import pytest

from adapter.clinical.assessment import Turnover
from tests.laws.bundles import DAY, Json, assessed, coded, frax, measured, observation, only, quantity
from tests.laws.reading_of_the_table import Answer, Facts, Fracture, answer
from tests.recognition.building import ATC, SNOMED

_FASTING = {True: "LA33-6", False: "LA32-8"}
_METHODS = {True: "FRAX with BMD", False: "FRAX without BMD", None: "FRAX"}
_FRACTURES = {
    "hip": coded(SNOMED, "704334005"),
    "vertebra": coded(SNOMED, "11311601000119109"),
    "pelvis": coded("http://hl7.org/fhir/sid/icd-10-cm", "M80.0B1A"),
}
_REGIONS = ("38267-1", "38264-8")
_SEEDS = (1, 2, 3, 4)


def _near(chance: Random, *limits: str, step: str, low: int, high: int) -> Decimal:
    """A number at a limit, one or two steps beside it, or anywhere."""
    if chance.random() < 0.7:
        return Decimal(chance.choice(limits)) + Decimal(step) * chance.choice((-2, -1, 0, 0, 1, 2))
    return chance.randint(int(low / Decimal(step)), int(high / Decimal(step))) * Decimal(step)


def _facts(chance: Random) -> Facts:
    """A patient near the edges of the table; most have no more than a few of its features."""

    def sometimes(share: float) -> bool:
        return chance.random() < share

    sex, age = chance.choice(("female", "male")), chance.randint(60, 89)
    if sometimes(0.3):
        age = chance.choice((17, 18, 39, 40, 44, 49, 50, 59, 60, 90, 91))
    # Between 45 and 59 the page leaves the rule open where nobody recorded menopause.
    postmenopausal = sex == "female" and age >= 40 and (45 <= age < 60 or sometimes(0.5))
    ended = chance.choice((0, 0, 3, 11, 12, 13, 20))
    major, hip = (("10", "20", "30"), ("3", "4.5")) if sometimes(0.5) else (("10",), ("3",))
    return Facts(
        sex=sex,
        age=age,
        postmenopausal=postmenopausal,
        t_scores=tuple(
            _near(chance, "-1.0", "-2.5", "-3.0", step="0.1", low=-5, high=1)
            for _ in range(chance.choice((0, 1, 1, 2)))
        ),
        fractures=tuple(
            Fracture(chance.choice(sorted(_FRACTURES)), chance.choice((1, 11, 12, 13, 23, 24, 25, 60)))
            for _ in range(chance.choice((0, 0, 0, 1, 2)))
        ),
        falls=chance.choice((0, 0, 0, 1, 2)),
        frax=(
            _near(chance, *major, step="0.1", low=1, high=40),
            _near(chance, *hip, step="0.1", low=0, high=6),
        ) if sometimes(0.7) else None,
        with_bmd=chance.choice((True, False, None)),
        glucocorticoid=(
            chance.choice((Decimal("7.4"), Decimal("7.5"))), chance.choice((2, 3, 12))
        ) if sometimes(0.2) else None,
        medicine=(ended + chance.choice((2, 14, 30)), ended) if sometimes(0.15) else None,
        p1np=_near(
            chance, "21.38", "76.03", "24.20", "89.01", step="0.01", low=5, high=150
        ) if sometimes(0.8) else None,
        ctx=_near(chance, "98", "646", "168", "791", step="1", low=40, high=1200) if sometimes(0.8) else None,
        fasting=chance.choice((True, True, None, False)),
        egfr=_near(chance, "30", "60", step="0.1", low=10, high=120) if sometimes(0.3) else Decimal(85),
    )  # fmt: skip


def _ago(months: int) -> str:
    years, month = divmod(DAY.year * 12 + DAY.month - 1 - months, 12)
    return date(years, month + 1, DAY.day).isoformat()


def _dated(resource: Json, months: int) -> Json:
    return resource | {"onsetDateTime": _ago(months)}


def _condition(id_: str, code: Json) -> Json:
    standing = {"clinicalStatus": coded("c", "active"), "verificationStatus": coded("v", "confirmed")}
    return {"resourceType": "Condition", "id": id_, **standing, "code": code, "subject": {"reference": "Patient/p"}}


def _medicine(id_: str, code: str, begun: int, ended: int, dose: Decimal = Decimal(1)) -> Json:
    period = {"start": _ago(begun), **({"end": _ago(ended)} if ended else {})}
    daily = {"repeat": {"frequency": 1, "period": Decimal(1), "periodUnit": "d"}}
    return {
        "resourceType": "MedicationStatement",
        "id": id_,
        "status": "completed" if ended else "active",
        "medicationCodeableConcept": coded(ATC, code),
        "subject": {"reference": "Patient/p"},
        "effectivePeriod": period,
        "dosage": [{"timing": daily, "doseAndRate": [{"doseQuantity": quantity(dose, "mg")}]}],
    }


def _record(facts: Facts) -> list[Json]:
    """The facts as a server sends them."""
    birth = DAY.replace(year=DAY.year - facts.age).isoformat()
    record: list[Json] = [{"resourceType": "Patient", "id": "p", "gender": facts.sex, "birthDate": birth}]
    if facts.postmenopausal:
        record.append(_condition("menopause", coded(SNOMED, "76498008")))
    for number, fracture in enumerate(facts.fractures):
        record.append(_dated(_condition(f"f{number}", _FRACTURES[fracture.site]), fracture.months))
    for code, score in zip(_REGIONS, facts.t_scores, strict=False):
        record.append(observation(code, code, quantity(score, "{T-score}")))
    if facts.falls:
        record.append(observation("falls", "75856-5", quantity(Decimal(facts.falls), "1")))
    if facts.frax:
        record += frax(*map(str, facts.frax), method={"text": _METHODS[facts.with_bmd]})
    if facts.glucocorticoid:
        dose, months = facts.glucocorticoid
        record.append(_medicine("gc", "H02AB06", months, 0, dose))
    if facts.medicine:
        record.append(_medicine("bone", "M05BA04", *facts.medicine))
    return [*record, *_laboratory(facts)]


def _laboratory(facts: Facts) -> list[Json]:
    found = [measured("egfr", "egfr", str(facts.egfr))]
    if facts.p1np is not None:
        found.append(measured("p1np", "p1np", str(facts.p1np), method={"text": "total P1NP"}))
    if facts.ctx is not None:
        said = coded("http://loinc.org", _FASTING[facts.fasting]) if facts.fasting is not None else None
        asked = [{"code": coded("http://loinc.org", "49541-6"), "valueCodeableConcept": said}] if said else None
        found.append(measured("ctx", "ctx", str(facts.ctx), component=asked))
    return found


def _people(seed: int) -> list[Facts]:
    chance = Random(seed)  # noqa: S311 - the same patients every time
    return [_facts(chance) for _ in range(1000)]


@pytest.mark.parametrize("seed", _SEEDS)
def test_a_second_reading_of_the_table_comes_to_the_same(seed: int) -> None:
    for facts in _people(seed):
        said = only(assessed(_record(facts))).assessment

        found = Answer(said.gates, said.stratum, said.stratum_rule, said.turnover, said.plan)

        assert found == answer(facts), facts


def test_every_row_and_every_state_is_reached() -> None:
    answers = [answer(facts) for seed in _SEEDS for facts in _people(seed)]

    assert {each.rule for each in answers} == {None, *(f"B{number}" for number in range(1, 11))}
    assert {each.plan for each in answers} == {None, *(f"P{number}" for number in range(1, 14))}
    assert {gate for each in answers for gate in each.gates} == {"N1", "N4", "N6", "N7", "N9", "N10"}
    assert {each.turnover for each in answers} == set(Turnover)
