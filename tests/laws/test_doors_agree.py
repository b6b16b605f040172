"""Law: "the doors agree": the same record gives the same bytes by whichever door it comes."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings

from adapter.entrypoints.cli import main
from adapter.entrypoints.library import assess_bundle
from adapter.fhir.decoding import encode
from adapter.fhir.transaction import as_transaction
from adapter.pipeline import Outcome
from tests.laws.bundles import DAY, Json, in_bundle, records

_AS_OF = ("--as-of", str(DAY), "--no-validate")


def through_the_library(given_: bytes | str | Mapping[str, object]) -> bytes:
    return _transactions(assess_bundle(given_, as_of=DAY))


def through_the_command(files: Mapping[str, bytes], *arguments: str) -> bytes:
    """What ``convert`` prints for these files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        return _converted([folder, *arguments])


def through_a_file(data: bytes, form: str) -> bytes:
    """What ``convert`` writes into a folder."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.json", Path(folder) / "out"
        source.write_bytes(data)
        _converted([str(source), "--out", str(target), "--format", form])
        files = sorted(target.iterdir()) if target.exists() else []
        return b"".join(path.read_bytes() for path in files)


def _converted(arguments: Sequence[str], stdin: bytes = b"") -> bytes:
    run = CliRunner().invoke(main, ["convert", *arguments, *_AS_OF], input=stdin)
    assert run.exit_code in (0, 1), run.stderr
    return run.stdout_bytes


def _transactions(outcome: Outcome) -> bytes:
    return b"".join(encode(as_transaction(each.resources)) + b"\n" for each in outcome.patients if each.resources)


def _lines(record: Sequence[Json]) -> bytes:
    return b"\n".join(encode(resource) for resource in record)


def _bundle(record: Sequence[Json]) -> bytes:
    return encode(in_bundle(record))


DOORS: Mapping[str, Callable[[Sequence[Json]], bytes]] = {
    "library, text": lambda record: through_the_library(_bundle(record).decode()),
    "library, parsed": lambda record: through_the_library(in_bundle(record)),
    "library, NDJSON": lambda record: through_the_library(_lines(record)),
    "file": lambda record: through_the_command({"a.json": _bundle(record)}),
    "packed file": lambda record: through_the_command({"a.json.gz": gzip.compress(_bundle(record))}),
    "NDJSON": lambda record: through_the_command({"a.ndjson": _lines(record)}),
    "packed NDJSON": lambda record: through_the_command({"a.jsonl.gz": gzip.compress(_lines(record))}),
    "one file per resource": lambda record: through_the_command(
        {f"{number}.json": encode(each) for number, each in enumerate(record)}
    ),
    "two files": lambda record: through_the_command({"a.json": _bundle(record[:3]), "b.ndjson": _lines(record[3:])}),
    "into a folder": lambda record: through_a_file(_bundle(record), "transaction"),
    "standard input": lambda record: _converted(["-"], _bundle(record)),
    "packed standard input": lambda record: _converted(["-"], gzip.compress(_lines(record))),
}


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=6)
@given(records())
def test_every_door_writes_the_same_bytes(door: str, record: list[Json]) -> None:
    assert DOORS[door](record) == through_the_library(_bundle(record))


@settings(max_examples=10)
@given(records())
def test_bare_resources_are_those_of_the_transaction(record: list[Json]) -> None:
    data = encode(in_bundle(record))
    patient = assess_bundle(data, as_of=DAY).patients[0]

    bare = _converted(["-", "--format", "resources"], data)

    assert bare == b"".join(encode(each) + b"\n" for each in patient.resources)
    assert sorted(through_a_file(data, "resources").splitlines()) == sorted(bare.splitlines())


@settings(max_examples=10)
@given(records())
def test_explain_says_what_convert_writes(record: list[Json]) -> None:
    data = encode(in_bundle(record))

    run = CliRunner().invoke(main, ["explain", "-", "--json", "--as-of", str(DAY)], input=data)

    (explained,) = json.loads(run.stdout)["patients"]
    assessment = assess_bundle(data, as_of=DAY).patients[0].assessment
    assert explained["stratum"] == assessment.stratum
    assert explained["plan"] == assessment.plan
    assert explained["flags"] == list(assessment.flags)
    assert explained["writes"] is bool(_converted(["-"], data))
