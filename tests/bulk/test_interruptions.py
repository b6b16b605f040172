"""A run that was interrupted anywhere and resumed writes byte for byte what an uninterrupted one writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import msgspec
import pytest

from adapter.bulk.export import export_at
from adapter.bulk.running import convert_export
from adapter.bulk.workplace import FOLDER
from adapter.errors import OutputRefused, SettingsInvalid
from adapter.pipeline import Options
from tests.bulk.building import SMALL, Silence, converted, laid_out
from tests.bulk.populations import hospital
from tests.recognition.building import knowledge

_COMMAND = (sys.executable, "-c", "from adapter.entrypoints.cli import main; main()", "convert")
RESUME = msgspec.structs.replace(SMALL, resume=True)


class PowerCut(Exception):
    """Ends a run in its midst."""


class Interrupting(Silence):
    """Lets so many steps be done, and then ends the run."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def did(self, amount: int) -> None:
        """Count down."""
        self.left -= 1
        if self.left < 0:
            raise PowerCut


def output(folder: Path) -> dict[str, bytes]:
    """Every file of a run's output."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return laid_out(tmp_path_factory.mktemp("export"), hospital(3, patients=20))


@pytest.fixture(scope="module")
def expected(export: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    target = tmp_path_factory.mktemp("whole")
    converted(export, target)
    return output(target)


@pytest.mark.parametrize("steps", [0, 1, 3, 4, 5, 6, 9, 20, 30, 45, 60])
def test_a_run_that_stopped_anywhere_goes_on(
    steps: int, export: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    with pytest.raises(PowerCut):
        convert_export(export_at(export), tmp_path, knowledge(), SMALL, Interrupting(steps))
    assert (tmp_path / FOLDER).stat().st_mode & 0o777 == 0o700

    converted(export, tmp_path, RESUME)

    assert output(tmp_path) == expected
    assert not list(tmp_path.glob(".*"))


def test_finished_partitions_are_not_done_again(export: Path, tmp_path: Path) -> None:
    with pytest.raises(PowerCut):
        convert_export(export_at(export), tmp_path, knowledge(), SMALL, Interrupting(60))
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / FOLDER).glob("*.json")}
    assert any(path.name.startswith("reduced-") for path in done)

    with pytest.raises(PowerCut):
        convert_export(export_at(export), tmp_path, knowledge(), RESUME, Interrupting(50))

    assert {path: path.stat().st_mtime_ns for path in done} == done


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_writes_the_same_bytes(
    workers: int, export: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    converted(export, tmp_path, msgspec.structs.replace(SMALL, workers=workers))
    assert output(tmp_path) == expected


def test_another_run_is_not_gone_on_with(export: Path, tmp_path: Path) -> None:
    with pytest.raises(PowerCut):
        convert_export(export_at(export), tmp_path, knowledge(), SMALL, Interrupting(9))
    other = msgspec.structs.replace(RESUME, options=Options(allow_preliminary=True))
    with pytest.raises(SettingsInvalid, match="had other options"):
        converted(export, tmp_path, other)
    changed = laid_out(tmp_path / "changed", {**hospital(3, patients=20), "z.ndjson": b"{}\n"})
    with pytest.raises(SettingsInvalid, match="had other inputs"):
        converted(changed, tmp_path, RESUME)


def test_what_a_crash_left_is_removed_by_the_next_start(
    export: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    with pytest.raises(PowerCut):
        convert_export(export_at(export), tmp_path, knowledge(), SMALL, Interrupting(9))
    (tmp_path / FOLDER / "scan-99999").write_bytes(b"left behind")

    converted(export, tmp_path, SMALL)

    assert output(tmp_path) == expected
    assert not list(tmp_path.glob(".*"))


def test_two_runs_never_share_an_output_folder(export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from adapter.bulk import workplace

    monkeypatch.setattr(workplace, "_PATIENCE", 0.2)
    holder = workplace.Workplace(tmp_path)
    holder.open({}, resume=False)
    with pytest.raises(OutputRefused, match="another run is at work"):
        converted(export, tmp_path)
    holder.close()


def test_a_run_that_was_killed_goes_on(kills: int, export: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    """Killed by the system at random moments, with two workers; ``--bulk-kills 50`` does so more often."""
    random = Random(kills)  # noqa: S311 - a random moment, not a secret
    command = [*_COMMAND, str(export), "--out", str(tmp_path / "out"), "--as-of", "2026-06-15", "--workers", "2"]
    for _ in range(kills):
        run = subprocess.Popen([*command, "--resume"], stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.3, 2.5))
        run.send_signal(signal.SIGKILL)
        run.wait()

    subprocess.run([*command, "--resume"], check=False, stderr=subprocess.DEVNULL, env=dict(os.environ))

    assert output(tmp_path / "out") == expected
