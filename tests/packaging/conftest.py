"""The product as others get it: wheel, sdist and installed, built once per run."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from tests.packaging.installing import Installed, build, install


@pytest.fixture(scope="session")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the repository."""
    return build("wheel", repository, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def sdist(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, built from the repository."""
    return build("sdist", repository, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def unpacked_sdist(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree that a downstream packager gets."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    [tree] = folder.iterdir()
    return tree


@pytest.fixture(scope="session", params=["wheel", "wheel built from the sdist", "editable"])
def installed(
    request: pytest.FixtureRequest, wheel: Path, unpacked_sdist: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    """The product, installed in each of the ways it can be."""
    folder = tmp_path_factory.mktemp("installed") / "environment"
    match request.param:
        case "wheel":
            return install(folder, wheel)
        case "editable":
            return install(folder, "--editable", unpacked_sdist)
        case _:
            return install(folder, build("wheel", unpacked_sdist, tmp_path_factory.mktemp("rebuilt")))
