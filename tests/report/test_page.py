"""The page with pictures: whole, in the words of the assessment, and safe to open anywhere."""

from __future__ import annotations

import json
import stat
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from adapter import load_knowledge
from adapter.clinical.results import MarkerResult
from adapter.entrypoints import explaining
from adapter.entrypoints.library import end_of_day
from adapter.fhir.reading import Source
from adapter.pipeline import Options, Outcome, assess_sources
from adapter.report.page import report
from tests.entrypoints.building import AS_OF, LOW, run, saved
from tests.laws.bundles import measured, quantity

_JOURNEYS = sorted((Path(__file__).resolve().parents[2] / "fixtures" / "journeys").glob("*/input.json"))
_LINED = ("dxa-t-score", "dxa-z-score", "frax-mof", "frax-hip")
KNOWLEDGE = load_knowledge()
# What HTML leaves without an end (html.spec.whatwg.org/#void-elements).
_VOID = {"meta", "br"}


class Page(HTMLParser):
    """What stands on a page, for the eye and for the reader."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.drawn: list[tuple[str, dict[str, str | None]]] = []
        self.read, self.html = "", html
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.drawn.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.drawn.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> ends what it did not begin"

    def handle_data(self, data: str) -> None:
        self.read += data

    def of(self, kind: str) -> list[str]:
        """The tags that are drawn in a class."""
        return [tag for tag, attributes in self.drawn if kind in (attributes.get("class") or "").split()]


def page_of(folder: Path, data: Path) -> Page:
    """The page as a user makes it."""
    out = folder / "page.html"
    result = run("explain", data, *AS_OF, "--html", out)
    assert result.stdout == ""
    return Page(out.read_text("utf-8"))


def journey_called(name: str) -> Path:
    return next(each for each in _JOURNEYS if each.parent.name == name)


def outcome_of(journey: Path) -> Outcome:
    as_of = json.loads((journey.parent / "expected.json").read_text("utf-8"))["as_of"]
    sources = [Source("input.json", journey.read_bytes())]
    moment = end_of_day(date.fromisoformat(as_of))
    return assess_sources(sources, KNOWLEDGE, as_of=moment, options=Options(with_qfracture=True))


@pytest.mark.parametrize("journey", _JOURNEYS, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_journey_has_a_whole_page_that_says_what_the_terminal_says(journey: Path, language: str) -> None:
    outcome = outcome_of(journey)

    page = Page(report(outcome, KNOWLEDGE, language=language).decode())

    assert page.open == []
    assert "⟦" not in page.read
    told = explaining.page(outcome, KNOWLEDGE, language=language).partition("\n\n")[0].splitlines()[1:]
    sentences = [line.removeprefix("  - ") for line in takewhile(lambda line: not line.endswith((":", "：")), told)]
    assert sentences
    assert [sentence for sentence in sentences if sentence not in page.read] == []


@pytest.mark.parametrize("journey", _JOURNEYS, ids=lambda path: path.parent.name)
def test_whatever_was_read_against_limits_is_drawn_and_marked_as_it_was_read(journey: Path) -> None:
    outcome = outcome_of(journey)
    used = [each for patient in outcome.patients for each in patient.assessment.evidence]
    lined = [each for each in used if isinstance(each.result, MarkerResult) and each.result.marker in _LINED]

    page = Page(report(outcome, KNOWLEDGE, language="en").decode())

    assert len(page.of("scale")) == sum(each.limits is not None for each in used) + len(lined)
    assert len(page.of("outside")) == sum(each.reading[:1] in ("L", "H") for each in used)


def test_a_course_shows_each_day_and_what_was_begun(tmp_path: Path) -> None:
    page = page_of(tmp_path, journey_called("monitoring-adequate-response"))

    assert len(page.of("course")) == 2 * 2, "two pictures, each with its line"
    assert page.read.count("Antiresorptive medicine") >= 2
    assert "2025-12-01 610 ng/L; 2026-06-02 180 ng/L" in page.read


def test_a_course_stands_against_the_limits_of_its_newest_result(tmp_path: Path) -> None:
    low, high = quantity(Decimal(100), "ng/L"), quantity(Decimal(600), "ng/L")
    ranged: dict[str, Any] = {"referenceRange": [{"low": low, "high": high}]}
    earlier = measured("earlier", "ctx", "650.123456789", effectiveDateTime="2026-01-02", **ranged)
    later = measured("later", "ctx", "700", effectiveDateTime="2026-06-01", **ranged)

    page = page_of(tmp_path, saved(tmp_path / "in.json", [*LOW[:-1], earlier, later]))

    (course,) = [attributes for tag, attributes in page.drawn if tag == "svg" and attributes["class"] == "course"]
    assert course["aria-hidden"] == "true"
    assert [each for each in ("700", "650.12", "600", "100") if f">{each}<" in page.html] == ["700", "600", "100"]
    assert page.of("band") == ["rect"] * (len(page.of("scale")) + 1)


def test_a_result_that_is_only_a_bound_is_not_drawn_as_a_number(tmp_path: Path) -> None:
    above = measured("ctx", "ctx", "700") | {"valueQuantity": quantity(Decimal(700), "ng/L", ">")}

    page = page_of(tmp_path, saved(tmp_path / "in.json", [*LOW[:-1], above]))

    assert page.of("open") == ["path"]


def test_nothing_in_the_data_becomes_part_of_the_page(tmp_path: Path) -> None:
    attack = "<script>alert(1)</script>"
    page_of(tmp_path, saved(tmp_path / "in.json", [*LOW, measured("p1np", "p1np", "60", unit=attack)]))

    html = (tmp_path / "page.html").read_text("utf-8")

    assert "<script" not in html.lower()
    assert "&lt;script&gt;" in html


def test_nothing_in_the_mappings_becomes_part_of_the_page() -> None:
    outcome = outcome_of(journey_called("monitoring-adequate-response"))
    texts = {"en": {key: f"<script>{text}" for key, text in KNOWLEDGE.texts["en"].items()}}
    names = {id_: each.model_copy(update={"name": {"en": "<script>"}}) for id_, each in KNOWLEDGE.markers.items()}
    hostile = KNOWLEDGE.model_copy(update={"texts": texts, "markers": names})

    html = report(outcome, hostile, language="en").decode()

    assert "<script" not in html
    assert "&lt;script&gt;Antiresorptive medicine" in html


def test_the_page_asks_for_nothing_and_runs_nothing(tmp_path: Path) -> None:
    page = page_of(tmp_path, saved(tmp_path / "in.json", LOW))

    assert {tag for tag, _ in page.drawn}.isdisjoint({"script", "link", "img", "iframe", "object", "form"})
    assert [
        name for _, attributes in page.drawn for name in attributes if name in ("src", "href") or name[:2] == "on"
    ] == []
    (policy,) = [each["content"] for tag, each in page.drawn if tag == "meta" and "http-equiv" in each]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_the_page_is_for_its_owner_alone_and_overwrites_nothing_unasked(tmp_path: Path) -> None:
    data, out = saved(tmp_path / "in.json", LOW), tmp_path / "page.html"
    assert run("explain", data, *AS_OF, "--html", out).exit_code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600

    again = run("explain", data, *AS_OF, "--html", out)

    assert (again.exit_code, "exists already" in again.stderr) == (2, True)
    assert run("explain", data, *AS_OF, "--html", out, "--force").exit_code == 0


def test_one_answer_is_asked_for_at_a_time(tmp_path: Path) -> None:
    result = run("explain", saved(tmp_path / "in.json", LOW), "--json", "--html", tmp_path / "page.html")

    assert result.exit_code == 2
    assert not (tmp_path / "page.html").exists()
