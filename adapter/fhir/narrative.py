"""The assessment as a short page that a clinician can read in any FHIR viewer."""

from __future__ import annotations

import re
from collections.abc import Iterable

from adapter.fhir.wording import Account, Teller, Used

# XML 1.0 has no place for these, not even escaped (w3.org/TR/xml/#charsets); FHIR's string has none either.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_COLUMNS = ("page.what", "page.value", "page.when", "page.limits", "page.reading", "page.source")


def narrative(account: Account, teller: Teller) -> dict[str, str]:
    """The page as ``text``: category and plan first, then what it rests on, and last who decides."""
    say, language = teller.say, teller.language
    body = "".join(
        (
            f"<h2>{_safe(say('page.title'))}</h2><p><b>{_safe(account.headline)}</b></p>",
            *(f"<p>{_safe(text)}</p>" for text in (*account.alerts, account.plan, account.grounds) if text),
            _list("", account.remarks),
            _table(say("page.used"), [say(column) for column in _COLUMNS], account.used),
            _list(say("page.scores"), account.scores),
            _list(say("page.missing"), account.missing),
            _list(say("page.set-aside"), account.set_aside),
            f"<p>{_safe(account.rules)}</p><p><b>{_safe(account.disclaimer)}</b></p>",
        )
    )
    div = f'<div xmlns="http://www.w3.org/1999/xhtml" lang="{language}" xml:lang="{language}">{plain(body)}</div>'
    return {"status": "generated", "div": div}


def plain(text: str) -> str:
    """The text without the control characters that FHIR and XML forbid."""
    return _FORBIDDEN.sub("�", text) if _FORBIDDEN.search(text) else text


def _safe(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _list(title: str, lines: Iterable[str]) -> str:
    items = "".join([f"<li>{_safe(line)}</li>" for line in lines])
    if not items:
        return ""
    return f"<h3>{_safe(title)}</h3><ul>{items}</ul>" if title else f"<ul>{items}</ul>"


def _table(title: str, columns: Iterable[str], rows: Iterable[Used]) -> str:
    body = "".join(
        [
            f"<tr><td>{_safe(row.what)}</td><td>{_safe(row.value)}</td><td>{_safe(row.when)}</td><td>{_safe(row.limits)}</td>"
            f"<td>{_safe(row.reading)}</td><td>{_safe(row.source)}</td></tr>"
            for row in rows
        ]
    )
    if not body:
        return ""
    head = "".join([f"<th>{_safe(column)}</th>" for column in columns])
    return f"<h3>{_safe(title)}</h3><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
