"""The command ``osteo-fhir``. The only place that prints and chooses exit codes.

Everything heavy is imported inside the subcommand, so that ``--help`` is instant.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from adapter import __version__
from adapter.entrypoints.bulk_converting import ConvertCommand, bulk_options
from adapter.entrypoints.lazy import LazyGroup

if TYPE_CHECKING:
    from adapter.fhir.releases import Release
    from adapter.knowledge.model import Knowledge
    from adapter.pipeline import Options, Outcome

EXIT_OK, EXIT_INCOMPLETE, EXIT_WRONG_CALL, EXIT_UNSOUND = 0, 1, 2, 3
_Command = TypeVar("_Command", bound=Callable[..., Any])

_RELEASES = click.Choice(["auto", "R4", "R4B", "R5", "STU3"])
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

_OVERLAYS = click.option(
    "--mappings",
    "overlays",
    multiple=True,
    type=_FOLDER,
    help="Folder of your own mappings laid over the shipped ones; may be repeated.",
)
_RELEASE = click.option(
    "--fhir",
    "release",
    type=_RELEASES,
    default="auto",
    show_default=True,
    help="FHIR release of the input; auto reads its own marks, else takes R4 and says so.",
)
_LANGUAGE = click.option(
    "--language",
    type=click.Choice(["en", "zh"]),
    default="en",
    show_default=True,
    help="Language of what clinicians read.",
)
_FORCE = click.option("--force", is_flag=True, help="Overwrite files that exist.")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Do everything but write, and say what would be written.")

_ASSESSING = (
    _RELEASE,
    click.option("--as-of", metavar="DATE", help="Assess as of the end of this day (YYYY-MM-DD); default: today."),
    _OVERLAYS,
    _LANGUAGE,
    click.option(
        "--allow-preliminary", is_flag=True, help="Use preliminary results; the assessment is then preliminary too."
    ),
    click.option(
        "--read-text", is_flag=True, help="Read numbers from text such as '<0.05 ng/mL', by a strict grammar."
    ),
    click.option("--use-issued", is_flag=True, help="Use 'issued' where a result has no effective time."),
    click.option("--qfracture", is_flag=True, help="Show QFracture-2012 as information, with its disclaimer."),
)


def _assessing(command: _Command) -> _Command:
    """Give a command the options that every assessing command shares."""
    for option in reversed(_ASSESSING):
        command = option(command)
    return command


# name → where it lives, and its line in the list of commands.
_LATER: dict[str, tuple[str, str]] = {
    "bulk": ("adapter.entrypoints.cli_bulk:bulk", "The whole round: export, convert, upload."),
    "doctor": ("adapter.entrypoints.cli_job:doctor", "Say what a server can do, and what to ask its administrator."),
    "export": ("adapter.entrypoints.cli_bulk:export", "Bring a Bulk Data export of a server into a folder."),
    "keys": ("adapter.entrypoints.cli_keys:keys", "Make the key of a SMART client, and show what to register of it."),
    "purge": ("adapter.entrypoints.cli_ledger:purge", "Forget what came to an end long ago."),
    "retry": ("adapter.entrypoints.cli_ledger:retry", "Have the next run try again what was given up."),
    "run": (
        "adapter.entrypoints.cli_job:run",
        "Assess the patients of a server, and write each assessment back, once.",
    ),
    "sandbox": (
        "adapter.entrypoints.cli_sandbox:sandbox",
        "Run a FHIR server with patients on this machine, to try things.",
    ),
    "settings": ("adapter.entrypoints.cli_settings:settings", "Show every setting and where it came from."),
    "serve": ("adapter.entrypoints.cli_service:serve", "Be told by a server what changed, assess, and write back."),
    "inbox": ("adapter.entrypoints.cli_service:inbox", "See what notifications led to and could not be done."),
    "status": ("adapter.entrypoints.cli_ledger:status", "Show what was written, what was given up, and why."),
    "subscribe": ("adapter.entrypoints.cli_subscriptions:subscribe", "Have the server tell us what changed."),
    "upload": ("adapter.entrypoints.cli_bulk:upload", "Write to a server what was made of an export."),
    "unsubscribe": ("adapter.entrypoints.cli_subscriptions:unsubscribe", "Have the server no longer tell us."),
}


@click.group(cls=LazyGroup, later=_LATER, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="osteo-fhir")
def main() -> None:
    """Read FHIR bone-marker results, assess osteoporosis risk, write a FHIR RiskAssessment.

    Decision support only: markers alone never diagnose, and a clinician decides.
    """


@main.command(cls=ConvertCommand)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "--out",
    default="-",
    show_default=True,
    metavar="DIR|FILE|-",
    help="Where to write: a folder, a file, or - for standard output.",
)
@click.option(
    "--format",
    "shape",
    type=click.Choice(["transaction", "resources"]),
    help="One transaction Bundle per patient, or the bare resources; default: bare of an export, else transaction.",
)
@_FORCE
@_DRY_RUN
@click.option(
    "--validate/--no-validate", default=True, show_default=True, help="Check everything written with fhir.resources."
)
@click.option("--label-ai", is_flag=True, help="Label what is written as asserted by an algorithm (AIAST).")
@bulk_options
@_assessing
def convert(inputs: tuple[str, ...], out: str, shape: str | None, **options: Any) -> None:  # noqa: ANN401 - click hands options over by name
    """Turn Bundles, resources or NDJSON into one RiskAssessment per patient.

    INPUT is a file, a folder, a glob, or - for standard input; plain or gzip'd. A folder of NDJSON, or the manifest of
    an export, may be of any size: it is read in pieces by several processes, if --out names a folder.

    \b
    Examples:
      osteo-fhir convert patient.json
      osteo-fhir convert exports/ --out assessed/ --as-of 2026-06-15
      cat bundle.json | osteo-fhir convert - --language zh
    """
    from adapter.entrypoints import bulk_converting, converting

    force, dry_run, validate = (options.pop(name) for name in ("force", "dry_run", "validate"))
    with _Door():
        if bulk_converting.is_asked(inputs, out, as_resources=shape != "transaction"):
            sys.exit(_convert_export(inputs[0], out, options, force=force, dry_run=dry_run))
        shape = shape or "transaction"
        names, outcome, _ = _assessed(inputs, options)
        outcome, refused = converting.sound(outcome) if validate else (outcome, [])
        for line in refused:
            click.echo(f"refused to write: {line}", err=True)
        plan = converting.planned(outcome, names, out, shape=shape)
        if not dry_run:
            converting.deliver(plan, force=force, stdout=sys.stdout.buffer)
        click.echo(converting.summary(outcome, plan, dry_run=dry_run), err=True)
    sys.exit(EXIT_INCOMPLETE if refused or converting.is_incomplete(outcome) else EXIT_OK)


def _convert_export(source: str, out: str, chosen: dict[str, Any], *, force: bool, dry_run: bool) -> int:
    from time import monotonic

    from adapter.bulk.running import convert_export, need_of
    from adapter.entrypoints import bulk_converting
    from adapter.mapping_files import load_knowledge

    export, target = bulk_converting.found(source, out, force=force, resume=chosen["resume"])
    settings = bulk_converting.settings(chosen, target, as_of=_as_of(chosen["as_of"]), options=_options(chosen))
    say = partial(click.echo, err=True)
    progress = bulk_converting.Progress(say, monotonic, is_terminal=sys.stderr.isatty())
    if dry_run:
        progress.needs(need_of(export, target))
        click.echo(f"{len(export.files)} files would be converted into {target}", err=True)
        return EXIT_OK
    gc.disable()
    knowledge = load_knowledge(chosen["overlays"])
    gc.freeze()
    gc.enable()
    for clash in knowledge.clashes:
        click.echo(f"note: {clash}", err=True)
    finished = convert_export(export, target, knowledge, settings, progress)
    progress.ends()
    click.echo(bulk_converting.closing(finished, target), err=True)
    if bulk_converting.is_partial(finished.summary):
        return EXIT_UNSOUND
    return EXIT_INCOMPLETE if bulk_converting.is_incomplete(finished.summary) else EXIT_OK


@main.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--json", "as_json", is_flag=True, help="JSON for programs instead of a page for people.")
@_assessing
def explain(inputs: tuple[str, ...], as_json: bool, **options: Any) -> None:  # noqa: ANN401 - click hands options over by name
    """Show what would be assessed and why, line by line: values, limits, sources, and what was set aside.

    \b
    Examples:
      osteo-fhir explain patient.json
      osteo-fhir explain patient.json --json | jq .patients[0].set_aside
    """
    from adapter.entrypoints import converting, explaining

    with _Door():
        _, outcome, knowledge = _assessed(inputs, options)
        if as_json:
            sys.stdout.buffer.write(explaining.as_json(outcome, knowledge))
        else:
            click.echo(explaining.page(outcome, knowledge, language=options["language"]))
    sys.exit(EXIT_INCOMPLETE if converting.is_incomplete(outcome) else EXIT_OK)


@main.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--json", "as_json", is_flag=True, help="JSON for programs instead of tables for people.")
@click.option(
    "--concept-map",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a ConceptMap skeleton for the unknown codes to this file.",
)
@_FORCE
@_RELEASE
@_OVERLAYS
def coverage(
    inputs: tuple[str, ...],
    as_json: bool,
    concept_map: Path | None,
    force: bool,
    release: str,
    overlays: tuple[Path, ...],
) -> None:
    """Show which codes and units in these data are known, which are not, how often, with near candidates.

    \b
    Examples:
      osteo-fhir coverage exports/
      osteo-fhir coverage exports/ --concept-map site/codes.json
    """
    from adapter.entrypoints import covering, outputs
    from adapter.entrypoints import inputs as finding
    from adapter.mapping_files import load_knowledge

    with _Door():
        knowledge = load_knowledge(overlays)
        sources = finding.read_all(finding.found(inputs))
        report = covering.cover(sources, knowledge, release=_release(release))
        sys.stdout.buffer.write(covering.as_json(report)) if as_json else click.echo(covering.page(report))
        if concept_map is not None:
            outputs.write_files({concept_map: covering.skeleton(report)}, force=force)
            click.echo(f"{concept_map}: a ConceptMap skeleton for {len(report.unknown)} unknown codes", err=True)
    sys.exit(EXIT_INCOMPLETE if report.unread else EXIT_OK)


@main.group()
def mappings() -> None:
    """Check, show or export what the adapter knows: codes, units, limits, rules and their sources."""


@mappings.command("check")
@click.argument("folders", nargs=-1, metavar="[FOLDER]...", type=_FOLDER)
def mappings_check(folders: tuple[Path, ...]) -> None:
    """Check folders of mappings laid over the shipped ones: file, key, and what was expected.

    \b
    Example:
      osteo-fhir mappings check site/
    """
    from adapter.entrypoints import knowing

    with _Door():
        findings, summary = knowing.check(folders)
        for finding in findings:
            click.echo(finding)
        click.echo(summary, err=True)
    sys.exit(EXIT_INCOMPLETE if findings else EXIT_OK)


@mappings.command("show")
@click.argument("marker", required=False)
@_OVERLAYS
@_LANGUAGE
def mappings_show(marker: str | None, overlays: tuple[Path, ...], language: str) -> None:
    """Show what is known about a marker, with its sources; without MARKER, list all markers.

    \b
    Example:
      osteo-fhir mappings show ctx
    """
    from adapter.entrypoints import knowing

    with _Door():
        click.echo(knowing.show(marker, overlays, language=language))


@mappings.command("export")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write to.")
@_OVERLAYS
@_FORCE
@_DRY_RUN
def mappings_export(out: Path, overlays: tuple[Path, ...], force: bool, dry_run: bool) -> None:
    """Export ConceptMap, ValueSet and ObservationDefinition for a terminology server.

    \b
    Example:
      osteo-fhir mappings export --out terminology/
    """
    from adapter.entrypoints import knowing, outputs

    with _Door():
        files = knowing.exported(out, overlays)
        if not dry_run:
            outputs.write_files(files, force=force)
        for path in files:
            click.echo(f"{'would write' if dry_run else 'wrote'} {path}", err=True)


def _assessed(inputs: tuple[str, ...], chosen: dict[str, Any]) -> tuple[list[str], Outcome, Knowledge]:
    # What is loaded here lives as long as the process; garbage collection would cost a tenth of a short run.
    gc.disable()
    from adapter.entrypoints import inputs as finding
    from adapter.mapping_files import load_knowledge
    from adapter.pipeline import assess_sources

    names = finding.found(inputs)
    knowledge = load_knowledge(chosen["overlays"])
    gc.freeze()
    gc.enable()
    for clash in knowledge.clashes:
        click.echo(f"note: {clash}", err=True)
    with _progress(names) as shown:
        outcome = assess_sources(
            finding.read_all(shown), knowledge, as_of=_as_of(chosen["as_of"]), options=_options(chosen)
        )
    return names, outcome, knowledge


def _options(chosen: dict[str, Any]) -> Options:
    from adapter.pipeline import Options

    return Options(
        release=_release(chosen["release"]),
        language=chosen["language"],
        allow_preliminary=chosen["allow_preliminary"],
        read_text=chosen["read_text"],
        use_issued=chosen["use_issued"],
        with_qfracture=chosen["qfracture"],
        label_as_ai=chosen.get("label_ai", False),
    )


def _release(word: str) -> Release | None:
    from adapter.fhir.releases import Release

    return None if word == "auto" else Release[word]


def _as_of(text: str | None) -> datetime:
    """The last instant of the day, so that results of that day count; today where no day was named."""
    from datetime import UTC, date

    from adapter.entrypoints.library import end_of_day
    from adapter.errors import SettingsInvalid

    try:
        day = date.fromisoformat(text) if text else datetime.now(UTC).date()
    except ValueError as error:
        raise SettingsInvalid(f"--as-of {text}: write the date as YYYY-MM-DD, e.g. 2026-06-15") from error
    return end_of_day(day)


def _progress(names: list[str]) -> AbstractContextManager[Iterable[str]]:
    """A progress bar over the files on a terminal; silent elsewhere."""
    return click.progressbar(names, label="Reading", file=sys.stderr, hidden=len(names) < 2 or not sys.stderr.isatty())


class _Door:
    """Report what stops the run in one line, and leave with the exit code that says who must act."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Turn an AdapterError into one line on standard error."""
        from adapter.errors import AdapterError, ExportUnsound, InputUnreadable

        if isinstance(error, AdapterError):
            click.echo(f"osteo-fhir: {error}", err=True)
            if isinstance(error, ExportUnsound):
                sys.exit(EXIT_UNSOUND)
            sys.exit(EXIT_INCOMPLETE if isinstance(error, InputUnreadable) else EXIT_WRONG_CALL)
