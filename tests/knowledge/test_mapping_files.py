"""The mappings are found in a checkout, in a wheel's layout and in a zip; folders of a site are laid over them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from adapter.errors import MappingsInvalid
from adapter.mapping_files import folder, load_knowledge, shipped

LIMIT = """
[[limit]]
id = "ctx-our-women"
marker = "ctx"
sex = "female"
low = 100
high = 600
authority = "site"
source = "our laboratory's verification, 2026"
sureness = "V"
"""
ASK = "from adapter.mapping_files import load_knowledge; print(load_knowledge().fingerprint)"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "limits").mkdir()
    (tmp_path / "limits" / "ours.toml").write_text(LIMIT, "utf-8")
    (tmp_path / "README.md").write_text("not a mapping", "utf-8")
    (tmp_path / ".hidden.toml").write_text("not = read", "utf-8")
    return tmp_path


def test_every_shipped_file_is_found() -> None:
    names = shipped().keys()
    assert {"markers.toml", "units.toml", "limits.toml", "codes/turnover.json", "texts.zh.toml"} <= names


def test_a_folder_is_read_with_the_folders_in_it(site: Path) -> None:
    assert folder(site).keys() == {"limits/ours.toml"}


def test_the_limits_of_a_site_are_laid_over_the_shipped_ones(site: Path) -> None:
    known = load_knowledge([site])
    assert [limit.id for limit in known.limits["ctx"] if limit.authority == "site"] == ["ctx-our-women"]
    assert known.fingerprint != load_knowledge().fingerprint


def test_the_examples_in_the_readme_are_whole(tmp_path: Path, repository: Path) -> None:
    page = (repository / "mappings" / "README.md").read_text("utf-8")
    examples = re.findall(r"```(toml|json)\n(.*?)```", page, re.DOTALL)
    for ending, example in examples:
        (tmp_path / f"ours.{ending}").write_text(example, "utf-8")
    known = load_knowledge([tmp_path])
    assert {ending for ending, _ in examples} == {"toml", "json"}
    assert ("urn:oid:1.2.156.1", "XGJ01") in known.codes
    assert next(limit.high for limit in known.limits["ctx"] if limit.authority == "site") == 600


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MappingsInvalid, match="expected a folder of mapping files"):
        folder(tmp_path / "none")


def test_a_folder_without_mappings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MappingsInvalid, match="expected at least one file"):
        folder(tmp_path)


def test_the_mappings_are_found_inside_a_zip(tmp_path: Path, repository: Path) -> None:
    archive = tmp_path / "adapter.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for source in sorted((repository / "adapter").rglob("*.py")):
            packed.write(source, source.relative_to(repository))
        for name, content in shipped().items():
            packed.writestr(f"adapter/mappings/{name}", content)
    environment = {**os.environ, "PYTHONPATH": str(archive)}
    told = subprocess.run(
        [sys.executable, "-c", ASK], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == load_knowledge().fingerprint


def test_loading_does_not_keep_a_cold_start_waiting() -> None:
    # 0.04 s on two slow cores; the bound only catches a change of kind, not of machine.
    best = min(_seconds_to_load() for _ in range(3))
    assert best < 0.25


def _seconds_to_load() -> float:
    # The processor's time: other work on the machine must not decide.
    start = time.process_time()
    load_knowledge()
    return time.process_time() - start
