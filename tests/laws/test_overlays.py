"""Law: "overlays: later wins, clashes are reported"; and what an overlay does not name stays as it was."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.knowledge.loading import load, load_layers
from adapter.knowledge.model import Knowledge

_SOURCE = 'source = "a law"\nsureness = "D"\n'
_BASE = f"""
[about]
name = "small"
version = "1"
[marker.ctx]
name = {{ en = "CTX", zh = "CTX" }}
unit = "ng/L"
role = "resorption"
{_SOURCE}
[[unit]]
marker = "ctx"
factor = {{ "ng/L" = 1, "ug/L" = 1000 }}
{_SOURCE}
[parameter.floor]
value = 0
{_SOURCE}
"""
numbers = st.integers(1, 99)
# Each of these says one fact: a parameter, a limit, an alias, a factor, a text in the one language there is.
facts = st.one_of(
    st.builds(
        lambda i, n: (f"parameter|p{i}", f"[parameter.p{i}]\nvalue = {n}\n{_SOURCE}", n), st.integers(0, 3), numbers
    ),
    st.builds(
        lambda i, n: (f"limit|l{i}", f'[[limit]]\nid = "l{i}"\nmarker = "ctx"\nhigh = {n}\n{_SOURCE}', n),
        st.integers(0, 3),
        numbers,
    ),
    st.builds(
        lambda i, n: (f"unit|ctx|u{i}", f'[[unit]]\nmarker = "ctx"\nfactor = {{ "u{i}" = {n} }}\n{_SOURCE}', n),
        st.integers(0, 3),
        numbers,
    ),
)
Layer = Mapping[str, tuple[str, int]]
layer = st.lists(facts, max_size=4, unique_by=lambda fact: fact[0])
layers = st.lists(layer.map(lambda found: {key: (text, n) for key, text, n in found}), min_size=1, max_size=4)


def files(layer: Layer, number: int) -> dict[str, bytes]:
    """One file per fact."""
    return {f"{number}-{place}.toml": text.encode() for place, (text, _) in enumerate(layer.values())}


def value(known: Knowledge, key: str) -> int | None:
    """What is known under the key."""
    kind, *rest = key.split("|")
    if kind == "parameter":
        return int(known.parameters[rest[0]].value)
    if kind == "unit":
        return int(known.unit_factors["ctx"][rest[1]].factor)
    (high,) = (limit.high for limit in known.limits["ctx"] if limit.id == rest[0])
    return None if high is None else int(high)


@settings(max_examples=60)
@given(layers)
def test_the_last_layer_that_says_a_fact_wins_and_each_change_is_told(found: list[Layer]) -> None:
    known = load_layers([{"base.toml": _BASE.encode()}, *(files(layer, number) for number, layer in enumerate(found))])

    expected: dict[str, int] = {}
    changes = 0
    for layer in found:
        changes += sum(key in expected and expected[key] != n for key, (_, n) in layer.items())
        expected |= {key: n for key, (_, n) in layer.items()}
    assert {key: value(known, key) for key in expected} == expected
    assert known.parameters["floor"].value == 0
    assert len(known.clashes) == changes
    assert all(" changes " in clash and clash.endswith(".toml") for clash in known.clashes)


@settings(max_examples=30)
@given(layers, st.integers(0, 3))
def test_how_facts_are_spread_over_files_and_layers_changes_nothing_but_what_wins(found: list[Layer], cut: int) -> None:
    base = {"base.toml": _BASE.encode()}
    layered = load_layers([base, *(files(layer, number) for number, layer in enumerate(found))])

    at_once: dict[str, str] = {}
    for layer in found:
        at_once |= {key: text for key, (text, _) in layer.items()}
    texts = list(at_once.values())
    spread = {"z.toml": "\n".join(texts[cut:]).encode(), "a.toml": "\n".join(texts[:cut]).encode()}

    assert load(base | spread).fingerprint == layered.fingerprint


def test_an_empty_overlay_changes_nothing() -> None:
    base = {"base.toml": _BASE.encode()}

    assert load_layers([base, {"a.toml": b"# nothing yet"}]) == load(base)
