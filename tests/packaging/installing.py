"""Building and installing the product as a stranger would, without the network."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

DEPENDENCIES = sysconfig.get_path("purelib")


def run(*command: str | Path, cwd: Path, path: str = "") -> str:
    """What a program prints, run as a stranger would run it; the test fails if the program does."""
    # Nothing of this environment's home, settings or import path may help it.
    environment = {"PATH": os.defpath, "HOME": str(cwd), "PYTHONPATH": path, "CI": "true"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Installed:
    """The product installed in an environment of its own."""

    programs: Path

    def osteo_fhir(self, *arguments: str | Path, cwd: Path) -> str:
        """What the command prints."""
        return run(self.programs / "osteo-fhir", *arguments, cwd=cwd)

    def python(self, code: str, *, cwd: Path) -> str:
        """What this code prints."""
        return run(self.programs / "python", "-c", code, cwd=cwd)


def build(target: str, source: Path, folder: Path) -> Path:
    """Build the wheel or the sdist of a source tree with the hatchling that is installed here."""
    run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder, cwd=source)
    [built] = folder.iterdir()
    return built


def install(folder: Path, *what: str | Path) -> Installed:
    """Install into a fresh environment that borrows the dependencies of this one, not the product itself."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    [packages] = folder.glob("lib/python*/site-packages")
    # A line in a .pth file adds the folder alone: its own .pth files, our editable install among them, stay unread.
    (packages / "dependencies.pth").write_text(f"{DEPENDENCIES}\n", "utf-8")
    python = folder / "bin" / "python"
    offline = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--ignore-installed")
    run(sys.executable, "-m", "pip", "--python", python, "install", *offline, *what, cwd=folder.parent)
    return Installed(folder / "bin")
