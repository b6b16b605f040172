"""The law: from `pipeline` rightwards a result depends on its arguments alone.

"From `pipeline` rightwards there is no clock, file, environment, network, log or randomness: time comes in as `as_of`."
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PURE_ROOMS = ("pipeline", "fhir", "recognition", "engines", "knowledge", "clinical", "problems", "errors")
IMPURE_MODULES = (
    *("os", "sys", "io", "pathlib", "glob", "shutil", "tempfile", "shelve", "sqlite3"),
    *("socket", "ssl", "http", "urllib.request", "requests", "subprocess", "platform"),
    *("time", "random", "secrets", "logging", "warnings", "signal"),
    *("asyncio", "threading", "multiprocessing", "importlib.resources", "importlib.metadata"),
)
IMPURE_CALLS = frozenset({"open", "input", "print", "breakpoint", "exec", "eval", "__import__"})
IMPURE_NAMES = frozenset({"now", "utcnow", "today", "uuid1", "uuid4", "getLogger", "environ"})


def impurities(source: str) -> Iterator[str]:
    """Every place of a module where something other than its arguments could reach its result."""
    for node in ast.walk(ast.parse(source)):
        for name in _impure_names(node):
            yield f"line {getattr(node, 'lineno', 0)}: {name}"


def _is_impure(module: str) -> bool:
    return any(module == each or module.startswith(f"{each}.") for each in IMPURE_MODULES)


def _impure_names(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [each.name for each in names if _is_impure(each.name)]
        case ast.ImportFrom(module=str(module), names=names):
            inner = [each.name for each in names if each.name in IMPURE_NAMES or _is_impure(f"{module}.{each.name}")]
            return [module] if _is_impure(module) else inner
        case ast.Attribute(attr=attribute) if attribute in IMPURE_NAMES:
            return [attribute]
        case ast.Call(func=ast.Name(id=function)) if function in IMPURE_CALLS:
            return [function]
    return []


def _modules_of(room: Path) -> list[Path]:
    return sorted(room.rglob("*.py")) if room.is_dir() else [room.with_suffix(".py")]


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_nothing_but_its_arguments_reaches_a_result(room: str, repository: Path) -> None:
    modules = _modules_of(repository / "adapter" / room)
    found = [
        f"{path.relative_to(repository)}, {what}" for path in modules for what in impurities(path.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "import os.path",
        "from pathlib import Path",
        "from uuid import uuid4",
        "import uuid\nuuid.uuid1()",
        "from datetime import datetime\ndatetime.now()",
        "def f():\n    from datetime import date\n    return date.today()",
        "open('x')",
        "import urllib.request",
        "from urllib import request",
    ],
)
def test_the_law_sees_what_it_forbids(source: str) -> None:
    assert list(impurities(source))


def test_the_law_lets_pure_code_pass() -> None:
    assert not list(
        impurities("from urllib.parse import quote\nfrom uuid import uuid5\ndef f(as_of): return as_of.date()")
    )
