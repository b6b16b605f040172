"""``osteo-fhir convert`` of a hospital's export: a folder of NDJSON, or a manifest, into a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from adapter.errors import SettingsInvalid

if TYPE_CHECKING:
    from adapter.bulk.export import Export
    from adapter.bulk.order import Need, Settings
    from adapter.bulk.running import Finished
    from adapter.bulk.summing import Summary

_Command = TypeVar("_Command", bound=Callable[..., Any])
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)%")
_SIZE = re.compile(r"(\d+)\s*([MG])B?", re.IGNORECASE)
_UNITS = {"M": 1024**2, "G": 1024**3}
_KINDS = ("RiskAssessment", "Provenance", "Device", "problems", "summary")
_MEGABYTE = 1024 * 1024

MEMORY = click.option(
    "--memory",
    default="200MB",
    show_default=True,
    metavar="SIZE",
    help="Of an export: what all processes may take.",
)
_OPTIONS = (
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        help="Of an export: processes; default: one for each core.",
    ),
    MEMORY,
    click.option("--resume", is_flag=True, help="Of an export: go on with a run that was interrupted."),
    click.option(
        "--validate-sample",
        "sample",
        metavar="N%",
        help="Of an export: how many patients to check; --validate N% is the same.",
    ),
)


def bulk_options(command: _Command) -> _Command:
    """Give ``convert`` the options that concern exports."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


class ConvertCommand(click.Command):
    """``convert``, whose flag ``--validate`` may be followed by a share: ``--validate 5%``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give the share to the option that takes one."""
        return super().parse_args(ctx, list(_with_sample(args)))


def _with_sample(args: Sequence[str]) -> Iterator[str]:
    words = [*args, ""]
    for word, following in pairwise(words):
        name, _, share = word.partition("=")
        if name == "--validate" and _SHARE.fullmatch(share or following):
            yield f"--validate-sample={share}" if share else "--validate-sample"
        else:
            yield word


def is_asked(inputs: Sequence[str], out: str, *, as_resources: bool) -> bool:
    """Whether the words on the command line mean an export, to be converted into a folder."""
    from adapter.bulk.export import is_export

    if len(inputs) != 1 or out == "-" or not as_resources or not os.path.exists(inputs[0]):
        return False
    is_folder = os.path.isdir(out) or out.endswith("/") or not Path(out).suffix
    return is_folder and is_export(Path(inputs[0]))


def found(source: str, out: str, *, force: bool, resume: bool) -> tuple[Export, Path]:
    """The export, and the folder to write to; nothing stands in the way.

    Raises:
        ExportUnsound: Files are missing.
        SettingsInvalid: The output would lie among the input.
        OutputRefused: There is output already.
    """
    from adapter.bulk.export import export_at
    from adapter.bulk.workplace import Workplace
    from adapter.entrypoints.outputs import refuse_existing

    target = Path(out)
    folder = Path(source) if os.path.isdir(source) else Path(source).parent
    if target.resolve().is_relative_to(folder.resolve()):
        raise SettingsInvalid(f"{out}: lies within the export; name a folder beside it")
    there = [path for kind in _KINDS for path in sorted(target.glob(f"{kind}.*"))]
    # A run that is gone on with may have put some of its own output in place already.
    if not (resume and Workplace(target).earlier_plan()):
        refuse_existing(there, force=force)
    return export_at(Path(source)), target


def settings(chosen: dict[str, Any], target: Path, *, as_of: datetime, options: Any) -> Settings:  # noqa: ANN401 - Options
    """How to run; a run that goes on has the day of the one that was interrupted, unless another is named."""
    from adapter.bulk.order import Settings
    from adapter.bulk.workplace import Workplace

    earlier = Workplace(target).earlier_plan().get("as of") if chosen["resume"] and not chosen["as_of"] else None
    return Settings(
        as_of=datetime.fromisoformat(earlier) if isinstance(earlier, str) else as_of,
        options=options,
        workers=chosen["workers"] or os.cpu_count() or 1,
        memory=size_of(chosen["memory"]),
        share=_share(chosen["sample"]),
        resume=chosen["resume"],
    )


class Progress:
    """Tells how far the run is: on a terminal in one line that changes, elsewhere in a line for each step."""

    def __init__(self, say: Callable[..., None], clock: Callable[[], float], *, is_terminal: bool) -> None:
        """Take what prints, and what tells the seconds."""
        self._say, self._clock, self._is_terminal = say, clock, is_terminal
        self._step, self._amount, self._done = "", 0, 0
        self._begun = self._told = 0.0

    def needs(self, need: Need) -> None:
        """Say what disk the run needs."""
        self._say(
            f"needs up to {_mb(need.temporary)} MB for temporary files and {_mb(need.output)} MB for the output; "
            f"{_mb(need.free)} MB are free"
        )

    def begins(self, step: str, amount: int) -> None:
        """Close the line of the step before, and begin another."""
        self.ends()
        self._step, self._amount, self._done = step, amount, 0
        self._begun = self._told = self._clock()

    def did(self, amount: int) -> None:
        """Tell no more than twice a second."""
        self._done += amount
        now = self._clock()
        if self._is_terminal and now - self._told > 0.5:
            self._told = now
            self._say(f"\r{self._line(now)}\x1b[K", nl=False)

    def exceeds(self, size: int, memory: int) -> None:
        """Name what cannot be divided; it is assessed all the same."""
        self._say(
            f"note: one patient's entries cannot be divided and may take about {_mb(size)} MB, more than "
            f"--memory allows ({_mb(memory)} MB)"
        )

    def ends(self) -> None:
        """Close the line of the last step."""
        if self._step and self._amount:
            self._say(f"{chr(13) if self._is_terminal else ''}{self._line(self._clock())}")
        self._step = ""

    def _line(self, now: float) -> str:
        seconds = max(now - self._begun, 0.001)
        rate = self._done / seconds
        left = f", {(self._amount - self._done) / rate:.0f} s left" if 0 < self._done < self._amount else ""
        if self._step == "scanning":
            return f"{self._step}: {_mb(self._done)} of {_mb(self._amount)} MB, {rate / _MEGABYTE:.0f} MB/s{left}"
        return f"{self._step}: {self._done} of {self._amount} parts, {seconds:.1f} s{left}"


def closing(finished: Finished, target: Path) -> str:
    """The closing lines."""
    summary = finished.summary
    lines = [
        f"{summary.patients} patients: {summary.assessed} assessed, {summary.undetermined} undetermined; "
        f"{summary.written} RiskAssessments written to {target}; {summary.resources} resources read as "
        f"{summary.release.name}",
        _counted("set aside", summary.set_aside),
        _counted("problems", summary.problems),
        *summary.notices,
        *(f"refused to write: {line}" for line in summary.refused[:20]),
    ]
    if summary.unlisted:
        lines.append(f"not read, for they are no NDJSON by name, or not in the manifest: {_some(summary.unlisted)}")
    if summary.validated:
        lines.append(f"validated: {summary.validated} patients, which took {finished.seconds:.1f} s of work")
    return "\n".join(line for line in lines if line)


def is_partial(summary: Summary) -> bool:
    """Whether the server itself said that its export is not whole."""
    return summary.told_errors > 0


def is_incomplete(summary: Summary) -> bool:
    """Whether something could not be read or written, or a patient could not be placed in a stratum."""
    return bool(summary.errors or summary.undetermined or summary.refused)


def size_of(text: str) -> int:
    """The bytes of a size as people write it.

    Raises:
        SettingsInvalid: It is none.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise SettingsInvalid(f"--memory {text}: write a size such as 200MB or 1GB")
    return int(match[1]) * _UNITS[match[2].upper()]


def _share(text: str | None) -> int:
    """How many of ten thousand."""
    if text is None:
        return 0
    match = _SHARE.fullmatch(text.strip())
    if match is None or float(match[1]) > 100:
        raise SettingsInvalid(f"--validate {text}: write a share such as 5%")
    return round(float(match[1]) * 100)


def _counted(title: str, reasons: dict[str, int]) -> str:
    return f"{title}: " + ", ".join(f"{reason} {count}" for reason, count in reasons.items()) if reasons else ""


def _some(names: Sequence[str]) -> str:
    """The first ten, and how many more there are; the summary has them all."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"{', '.join(names[:10])}{more}"


def _mb(size: int) -> int:
    return -(-size // _MEGABYTE)
