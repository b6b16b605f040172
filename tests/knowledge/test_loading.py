"""Layers of mappings: later wins and says so; what is wrong names file, key and what was expected."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapter.errors import MappingsInvalid
from adapter.knowledge.checking import check
from adapter.knowledge.facts import Sureness
from adapter.knowledge.findings import has_check_digit
from adapter.knowledge.loading import load, load_layers
from adapter.mapping_files import shipped
from tests.knowledge.conftest import SMALL, small

CITED = 'source = "our laboratory"\nsureness = "D"\n'
LIMIT = f'[[limit]]\nid = "ctx-women"\nmarker = "ctx"\nhigh = 646\n{CITED}'


def complaints(**files: str) -> str:
    """What is said about a small set of mappings with these files."""
    with pytest.raises(MappingsInvalid) as refused:
        load(small(**files))
    return str(refused.value)


def test_a_later_layer_wins_and_the_clash_is_reported() -> None:
    site = {"lab.toml": LIMIT.replace("646", "700").encode()}
    known = load_layers([small(limits_toml=LIMIT), site])
    assert known.limits["ctx"][0].high == Decimal(700)
    assert known.clashes == ("lab.toml changes limit ctx-women of limits.toml",)


def test_a_layer_that_says_the_same_again_is_no_clash() -> None:
    assert load_layers([small(limits_toml=LIMIT), {"lab.toml": LIMIT.encode()}]).clashes == ()


def test_a_later_layer_takes_a_code_away_by_denying_it() -> None:
    codes = 'system = "http://loinc.org"\ncodes = ["41171-0", "72166-2"]\n'
    denied = f'[[denied]]\n{codes}why = "our laboratory means another"\n'
    first = shipped()
    loinc = "http://loinc.org"
    before = load(first)

    known = load_layers([first, {"lab.toml": f"{denied}{CITED}".encode()}])

    assert (loinc, "41171-0") in before.codes
    assert (loinc, "72166-2") in before.factor_answers
    assert (loinc, "41171-0") not in known.codes
    assert (loinc, "72166-2") not in known.factor_answers
    assert known.denied[loinc, "41171-0"].why == "our laboratory means another"
    assert known.clashes == (
        "lab.toml denies code http://loinc.org|41171-0 of codes/turnover.json",
        "lab.toml denies question http://loinc.org|72166-2 of factors.toml",
    )


def test_a_layer_that_adds_is_no_clash() -> None:
    known = load_layers([small(), {"lab.toml": LIMIT.encode()}])
    assert known.clashes == ()
    assert known.limits["ctx"][0].source == "our laboratory"


def test_a_later_name_of_the_set_is_told_too() -> None:
    known = load_layers([small(), {"lab.toml": b'[about]\nname = "ours"\nversion = "2"\n'}])
    assert (known.name, known.version) == ("ours", "2")
    assert known.clashes == ("lab.toml changes about of small.toml",)


def test_a_limit_is_converted_from_the_unit_it_is_stated_in() -> None:
    stated = LIMIT.replace("high = 646", 'low = 0.098\nhigh = 0.646\nstated_unit = "ng/mL"')
    limit = load(small(limits_toml=stated)).limits["ctx"][0]
    assert (limit.low, limit.high, limit.stated_unit) == (Decimal(98), Decimal(646), "ng/mL")


def test_decimals_keep_every_digit() -> None:
    digits = "0.12345678901234567890123456789"
    assert str(load(small(limits_toml=LIMIT.replace("646", digits))).limits["ctx"][0].high) == digits


def test_the_fingerprint_is_of_the_content_alone() -> None:
    once = load(small(limits_toml=LIMIT)).fingerprint
    merged = {"one.toml": f"# a remark\n{LIMIT}\n{SMALL}".replace("\n", "\r\n").encode()}
    assert load(merged).fingerprint == once
    reordered = SMALL.replace('name.en = "CTX"\nname.zh = "CTX"', 'name.zh = "CTX"\nname.en = "CTX"')
    assert load({"small.toml": f"{LIMIT}{reordered}".encode()}).fingerprint == once
    assert load(small(limits_toml=LIMIT.replace("646", "647"))).fingerprint != once
    assert len(once) == 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LIMIT.replace("646", '"high"'), "bad.toml: limit[0] (ctx-women).high: "),
        (LIMIT.replace("high", "hihg"), "bad.toml: limit[0] (ctx-women).hihg: is not a key that is known here"),
        (LIMIT.replace('sureness = "D"', 'sureness = "X"'), "bad.toml: limit[0] (ctx-women).sureness: "),
        (LIMIT.replace('source = "our laboratory"\n', ""), "(ctx-women).source: expected a value; it is missing"),
        (LIMIT.replace('marker = "ctx"', 'marker = "ctz"'), "limit ctx-women: expected a known marker, not 'ctz'"),
        (LIMIT.replace("high = 646\n", ""), "limit ctx-women: expected low, high or both"),
        (LIMIT + "low = 700\n", "limit ctx-women: expected low to be at most high"),
        (LIMIT + 'stated_unit = "mg/dL"\n', "expected a stated_unit that ctx has a factor for, not 'mg/dL'"),
        (LIMIT + 'sex = "woman"\n', "limit[0] (ctx-women).sex: Input should be 'female', 'male' or ''"),
        (LIMIT + LIMIT, "limit ctx-women: expected once; bad.toml says it too"),
        ("[[limit]]\nid = ", "bad.toml: syntax: expected readable TOML or JSON"),
        ("[[limit]]\nsource = 3\n", "limit[0] (?).source: "),
        ('[limits]\nx = "y"\n', "bad.toml: limits: is not a key that is known here"),
        ("limit = 3\n", "bad.toml: limit: "),
        ("marker = 3\n", "bad.toml: marker: "),
        ("[marker]\nctx2 = 3\n", "bad.toml: marker.ctx2: "),
        (
            f'[[unit]]\nmarker = "ctz"\nfactor = {{ "ng/L" = 1 }}\n{CITED}',
            "unit ctz|ng/L: expected a known marker, not 'ctz'",
        ),
        (f'[[unit]]\nmarker = "ctx"\nfactor = {{ "x" = 0 }}\n{CITED}', "unit ctx|x: expected a factor above 0"),
        (
            f'[marker.p1np]\nname.en = "P"\nunit = "ug/L"\nrole = "formation"\n{CITED}\n'
            f'[[unit]]\nmarker = "p1np"\nfactor = {{ "ng/mL" = 1 }}\n{CITED}',
            "unit p1np|ng/mL: expected a factor for the marker's own unit ug/L too",
        ),
        (
            f'[[denied]]\nsystem = "http://loinc.org"\ncodes = ["41171-1"]\nwhy = "x"\n{CITED}',
            "denied http://loinc.org|41171-1: expected a LOINC code; the check digit of 41171-1 is wrong",
        ),
        (
            '[[system]]\nsystem = "http://loinc.org"\naliases = ["https://loinc.org"]\n'
            f'[[denied]]\nsystem = "https://loinc.org"\ncodes = ["41171-0"]\nwhy = "x"\n{CITED}',
            "expected the system as http://loinc.org; https://loinc.org is an alias of it",
        ),
        ('[texts.en]\na = "{one}"\n[texts.zh]\na = "{two}"\n', "text a: expected the same placeholders in en, zh"),
        ('[texts.en]\na = "A"\nb = "B"\n[texts.zh]\na = "A"\n', "text zh|b: expected, since en has it"),
        ('[texts.en]\na = "{"\n', "text a: expected braces that match"),
        (
            '[sentences.zh]\n"{one} is old" = "{two}"\n',
            "sentence zh|{one} is old: expected braces that match, with the",
        ),
        ('[sentences.zh]\n"it is {one}" = "{"\n', "sentence zh|it is {one}: expected braces that match, with the"),
    ],
)
def test_a_finding_names_file_key_and_what_was_expected(text: str, expected: str) -> None:
    said = complaints(bad_toml=text)
    assert expected in said
    assert said.startswith("bad.toml: ")


def test_all_findings_are_said_at_once() -> None:
    said = complaints(one_toml=LIMIT.replace("high", "hihg"), two_toml="[[limit]]\n", three_txt="")
    assert len({line.split(":")[0] for line in said.splitlines()}) == 3


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[[a]]\nb = 1\nb = 2\n"])
def test_a_file_that_cannot_be_read_is_a_finding(content: bytes) -> None:
    [finding] = check([small(), {"bad.toml": content}]).findings
    assert (finding.file, finding.key) == ("bad.toml", "syntax")


def test_a_set_without_a_name_is_refused() -> None:
    [finding] = check([{}]).findings
    assert str(finding) == "about.toml: about: expected the name and version of this set of mappings"


def test_a_row_that_is_whole_keeps_its_types() -> None:
    limit = load(small(limits_toml=LIMIT)).limits["ctx"][0]
    assert limit.sureness is Sureness.DECISION
    assert isinstance(limit.high, Decimal)


@pytest.mark.parametrize("code", ["2731-8", "14637-3", "98979-8", "41171-0", "6874-2"])
def test_a_loinc_code_ends_in_its_check_digit(code: str) -> None:
    assert has_check_digit(code)
    number, digit = code.split("-")
    assert not any(has_check_digit(f"{number}-{other}") for other in range(10) if str(other) != digit)


@pytest.mark.parametrize("code", ["", "2731", "2731-", "-8", "2731-88", "x-8", "2731-x", "²-1"])
def test_what_is_no_loinc_code_has_no_check_digit(code: str) -> None:
    assert not has_check_digit(code)
