"""What the commands that assess files share: their options, and the way from files to an outcome."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from adapter.fhir.reading import Source
    from adapter.fhir.releases import Release
    from adapter.knowledge.model import Knowledge
    from adapter.pipeline import Options, Outcome

_Command = TypeVar("_Command", bound=Callable[..., Any])

_RELEASES = click.Choice(["auto", "R4", "R4B", "R5", "STU3"])
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

OVERLAYS = click.option(
    "--mappings",
    "overlays",
    multiple=True,
    type=FOLDER,
    help="Folder of your own mappings laid over the shipped ones; may be repeated.",
)
RELEASE = click.option(
    "--fhir",
    "release",
    type=_RELEASES,
    default="auto",
    show_default=True,
    help="FHIR release of the input; auto reads its own marks, else takes R4 and says so.",
)
LANGUAGE = click.option(
    "--language",
    type=click.Choice(["en", "zh"]),
    default="en",
    show_default=True,
    help="Language of what clinicians read.",
)
FORCE = click.option("--force", is_flag=True, help="Overwrite files that exist.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Do everything but write, and say what would be written.")

_ASSESSING = (
    RELEASE,
    click.option("--as-of", metavar="DATE", help="Assess as of the end of this day (YYYY-MM-DD); default: today."),
    OVERLAYS,
    LANGUAGE,
    click.option(
        "--allow-preliminary", is_flag=True, help="Use preliminary results; the assessment is then preliminary too."
    ),
    click.option(
        "--read-text", is_flag=True, help="Read numbers from text such as '<0.05 ng/mL', by a strict grammar."
    ),
    click.option("--use-issued", is_flag=True, help="Use 'issued' where a result has no effective time."),
    click.option("--qfracture", is_flag=True, help="Show QFracture-2012 as information, with its disclaimer."),
)


def assessing(command: _Command) -> _Command:
    """Give a command the options that every assessing command shares."""
    for option in reversed(_ASSESSING):
        command = option(command)
    return command


def assessed(inputs: tuple[str, ...], chosen: dict[str, Any]) -> tuple[list[str], Outcome, Knowledge]:
    """The files that were found, what became of them, and what is known."""
    from adapter.entrypoints import inputs as finding
    from adapter.pipeline import assess_sources

    names = finding.found(inputs)
    knowledge = knowledge_of(chosen)
    with _progress(finding.read_all(names), len(names)) as sources:
        outcome = assess_sources(sources, knowledge, as_of=as_of_day(chosen["as_of"]), options=options_of(chosen))
    return names, outcome, knowledge


def knowledge_of(chosen: dict[str, Any]) -> Knowledge:
    """What is known, loaded to stay; where layers of it disagree, that is told."""
    # What is loaded here lives as long as the process; garbage collection would cost a tenth of a short run.
    gc.disable()
    from adapter.mapping_files import load_knowledge

    knowledge = load_knowledge(chosen["overlays"])
    gc.freeze()
    gc.enable()
    for clash in knowledge.clashes:
        click.echo(f"note: {clash}", err=True)
    return knowledge


def options_of(chosen: dict[str, Any]) -> Options:
    """How to assess, as it was chosen on the command line."""
    from adapter.pipeline import Options

    return Options(
        release=release_of(chosen["release"]),
        language=chosen["language"],
        allow_preliminary=chosen["allow_preliminary"],
        read_text=chosen["read_text"],
        use_issued=chosen["use_issued"],
        with_qfracture=chosen["qfracture"],
        label_as_ai=chosen.get("label_ai", False),
    )


def release_of(word: str) -> Release | None:
    """The FHIR release of a word; none where it is to be found out."""
    from adapter.fhir.releases import Release

    return None if word == "auto" else Release[word]


def as_of_day(text: str | None) -> datetime:
    """The last instant of the day, so that results of that day count; today where no day was named."""
    from datetime import UTC, date

    from adapter.entrypoints.library import end_of_day
    from adapter.errors import SettingsInvalid

    try:
        day = date.fromisoformat(text) if text else datetime.now(UTC).date()
    except ValueError as error:
        raise SettingsInvalid(f"--as-of {text}: write the date as YYYY-MM-DD, e.g. 2026-06-15") from error
    return end_of_day(day)


def _progress(sources: Iterator[Source], count: int) -> AbstractContextManager[Iterable[Source]]:
    """A progress bar over the files on a terminal; silent elsewhere."""
    hidden = count < 2 or not sys.stderr.isatty()
    return click.progressbar(sources, length=count, label="Reading", file=sys.stderr, hidden=hidden)
