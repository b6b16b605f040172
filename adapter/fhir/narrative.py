"""The assessment as a short page that a clinician can read in any FHIR viewer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from msgspec.structs import astuple

from adapter.fhir.wording import Account, Teller, Used, plain

# Escaping many texts at once is far faster than each alone. They are joined by the characters made for that, ASCII's
# unit and record separators, which no text of an Account holds.
_UNIT, _RECORD = "\x1f", "\x1e"
# The words that head the table of what was used.
COLUMNS = ("page.what", "page.value", "page.when", "page.limits", "page.reading", "page.source")


def narrative(account: Account, teller: Teller) -> dict[str, str]:
    """The page as ``text``: category and plan first, then what it rests on, and last who decides."""
    say, language = teller.say, teller.language
    div = "".join(
        (
            f'<div xmlns="http://www.w3.org/1999/xhtml" lang="{language}" xml:lang="{language}">'
            f"<h2>{_heading(say('page.title'))}</h2><p><b>{_safe(account.headline)}</b></p>",
            *[f"<p>{_safe(text)}</p>" for text in (*account.alerts, account.plan, account.grounds) if text],
            listed("", account.remarks),
            tabled(say("page.used"), map(say, COLUMNS), account.used),
            listed(say("page.scores"), account.scores),
            listed(say("page.missing"), account.missing),
            listed(say("page.set-aside"), account.set_aside),
            f"<p>{_safe(account.rules)}</p><p><b>{_safe(account.disclaimer)}</b></p></div>",
        )
    )
    return {"status": "generated", "div": div}


def _safe(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@lru_cache(maxsize=256)
def _heading(text: str) -> str:
    """A text of the mappings itself; the same few head every page."""
    return _safe(plain(text))


def listed(title: str, lines: Sequence[str]) -> str:
    """A heading, if it is not empty, and the lines below it; nothing where there are none."""
    if not lines:
        return ""
    heading = f"<h3>{_heading(title)}</h3>" if title else ""
    items = _safe(_UNIT.join(lines)).replace(_UNIT, "</li><li>")
    return f"{heading}<ul><li>{items}</li></ul>"


def tabled(title: str, columns: Iterable[str], rows: Sequence[Used]) -> str:
    """A heading and the rows below it; nothing where there are none."""
    if not rows:
        return ""
    head = "".join([f"<th>{_heading(column)}</th>" for column in columns])
    body = _safe(_RECORD.join([_UNIT.join(astuple(row)) for row in rows]))
    body = body.replace(_UNIT, "</td><td>").replace(_RECORD, "</td></tr><tr><td>")
    return (
        f"<h3>{_heading(title)}</h3><table><thead><tr>{head}</tr></thead>"
        f"<tbody><tr><td>{body}</td></tr></tbody></table>"
    )
