"""The law: what msgspec knows of a type is built at import, never by two threads at once.

`msgspec.json.decode(data, type=T)` and `msgspec.convert(value, T)` build it at their first call. A second thread that
comes while the first one is at it finds it half built, and the interpreter dies of a null pointer (seen with 0.22.0).
A `Decoder` of the module builds it under the lock of the import.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest


def first_uses(source: str) -> Iterator[str]:
    """Every place of a module that may build what msgspec knows of a type after the import."""
    tree = ast.parse(source)
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from (f"line {call.lineno}: Decoder" for call in _calls(function) if _name(call) == "Decoder")
    for call in _calls(tree):
        is_typed_decode = _name(call) == "decode" and any(each.arg == "type" for each in call.keywords)
        if is_typed_decode or ast.unparse(call.func) == "msgspec.convert":
            yield f"line {call.lineno}: {ast.unparse(call.func)}"


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def test_no_thread_builds_what_msgspec_knows_of_a_type(repository: Path) -> None:
    modules = sorted((repository / "adapter").rglob("*.py"))
    assert len(modules) > 100
    found = [
        f"{each.relative_to(repository)}, {what}" for each in modules for what in first_uses(each.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "msgspec.json.decode(body, type=Page)",
        "def f(body):\n    return msgspec.msgpack.decode(body, type=Page)",
        "msgspec.convert(row, Letter)",
        "def f(body):\n    return msgspec.json.Decoder(Page).decode(body)",
    ],
)
def test_the_law_sees_what_it_forbids(source: str) -> None:
    assert list(first_uses(source))


def test_the_law_lets_pass_what_is_made_at_import() -> None:
    source = "_page_in = msgspec.json.Decoder(Page).decode\ndef f(body):\n    return _page_in(body)"
    assert list(first_uses(source)) == []
