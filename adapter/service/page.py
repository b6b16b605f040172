"""The operator's page: one look says whether all is well; plain HTML, no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from adapter.inbox.worklist import Letter, Watched
from adapter.service.board import Board
from adapter.service.words import LANGUAGES, Words

_STYLE = """
:root{color-scheme:light dark;--ok:#0a6b2d;--bad:#a61b1b;--line:#8886;--soft:#8881}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;margin:0 auto;max-width:70rem;padding:1rem}
header{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;align-items:baseline;border-bottom:1px solid var(--line)}
h1{font-size:1.3rem;margin:0}
h2{font-size:1.1rem;margin:1.6rem 0 .4rem}
.state{font-weight:700;padding:.1rem .7rem;border-radius:1rem;color:#fff;background:var(--ok)}
.state.bad{background:var(--bad)}
nav{margin-left:auto;display:flex;gap:1rem}
.numbers{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:.6rem 0;padding:0;list-style:none}
.numbers b{font-size:1.5rem;margin-right:.3rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{background:var(--soft);white-space:nowrap}
form{display:inline}
main>form{display:flex;flex-wrap:wrap;gap:.8rem;align-items:end}
button,input{font:inherit;padding:.35rem .8rem;min-height:2.5rem}
:focus-visible{outline:3px solid #1a73e8;outline-offset:2px}
.bad-word{color:var(--bad);font-weight:700}
@media (prefers-color-scheme:dark){:root{--ok:#1a7a3c;--bad:#c62828}.bad-word{color:#ff8080}}
details summary{cursor:pointer;padding:.35rem 0}
@media (max-width:40rem){
table,tbody,tr,td{display:block}thead{position:absolute;left:-9999px}
tr{border:1px solid var(--line);border-radius:.4rem;margin:.5rem 0;padding:.3rem}
td{border:0;padding:.15rem .5rem}td::before{content:attr(data-label) " ";opacity:.7}
}
""".strip()


def login_page(language: str, *, failed: bool) -> str:
    """The page that asks for the token."""
    words = LANGUAGES[language]
    wrong = f'<p role="alert" class="bad-word">{words["wrong"]}</p>' if failed else ""
    body = (
        f"<header><h1>{words['title']}</h1><nav>{_other(language)}</nav></header><main><h2>{words['login']}</h2>{wrong}"
        f'<form method="post" action="login"><label>{words["token"]} '
        f'<input type="password" name="token" autocomplete="current-password" required autofocus></label> '
        f"<button>{words['enter']}</button></form></main>"
    )
    return _document(body, language, words)


def board_page(board: Board, language: str) -> str:
    """The state of the service, for whoever has entered."""
    words = LANGUAGES[language]
    state = "well" if board.is_well else "unwell"
    body = "".join(
        (
            f"<header><h1>{words['title']}</h1>",
            f'<span class="state{"" if board.is_well else " bad"}" role="status">{words[state]}</span>',
            f"<span>{words['server']}: {escape(board.server)}</span>",
            f'<nav>{_other(language)}<form method="post" action="logout"><button>{words["leave"]}</button></form>',
            f"</nav></header><main>{_inbox(board, words)}",
            _section("faults", _faults(board), words) if board.faults else "",
            _section("letters", _letters(board, words), words),
            _section("subscriptions", _subscriptions(board, words), words),
            _section("last", _last(board, words), words),
            _section("notes", _notes(board, words), words),
            f"<p><small>{words['reload']}</small></p></main>",
        )
    )
    return _document(body, language, words)


def _document(body: str, language: str, words: Words) -> str:
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{words['title']}</title><style>{_STYLE}</style></head><body>{body}</body></html>"
    )


def _other(language: str) -> str:
    other = "en" if language == "zh" else "zh"
    return f'<a href="?language={other}" lang="{other}">{LANGUAGES[language]["language"]}</a>'


def _inbox(board: Board, words: Words) -> str:
    oldest = f" ({words['oldest']} {_ago(board.oldest, board, words)})" if board.oldest else ""
    return (
        f'<h2>{words["inbox"]}</h2><ul class="numbers"><li><b>{board.waiting}</b>{words["waiting"]}{oldest}</li>'
        f"<li><b>{board.tasks}</b>{words['tasks']}</li></ul>"
    )


def _faults(board: Board) -> str:
    return "".join(f'<p class="bad-word">{escape(each)}</p>' for each in board.faults)


def _section(name: str, table: str, words: Words) -> str:
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{words[name]}</h2>{table}</section>'


def _letters(board: Board, words: Words) -> str:
    rows = [
        (
            escape(each.reference),
            escape(each.reason),
            str(each.attempts),
            _ago(each.first, board, words),
            _buttons(each, words),
        )
        for each in board.letters
    ]
    return _table(("resource", "reason", "attempts", "since", "what"), rows, words)


def _buttons(letter: Letter, words: Words) -> str:
    """Try again at once; to drop takes a second step, since it cannot be undone."""
    hidden = f'<input type="hidden" name="id" value="{letter.id}">'
    about = f'aria-label="{{}} {escape(letter.reference, quote=True)}"'
    replay, drop = about.format(words["replay"]), about.format(words["drop-sure"])
    return (
        f'<form method="post" action="replay">{hidden}<button {replay}>{words["replay"]}</button></form>'
        f"<details><summary>{words['drop']}</summary>"
        f'<form method="post" action="drop">{hidden}<button {drop}>{words["drop-sure"]}</button></form></details>'
    )


def _subscriptions(board: Board, words: Words) -> str:
    rows = [
        (
            escape(each.reference) or words["classic"],
            _liveness(each, board, words),
            _ago(each.heard_at, board, words),
            _ago(each.event_at, board, words),
            _numbers(each, words),
            str(each.gaps),
            str(each.duplicates),
            str(each.resets),
        )
        for each in board.watched
    ]
    names = ("subscription", "status", "heard", "event", "number", "gaps", "duplicates", "resets")
    return _table(names, rows, words)


def _liveness(watched: Watched, board: Board, words: Words) -> str:
    if not watched.reference:
        # The classic rest-hook does not say who speaks, and promises no sign of life.
        return "–"
    word = "off" if board.is_off(watched) else "silent" if board.is_silent(watched) else "live"
    told = f" ({escape(watched.status)})" if watched.status else ""
    return f'<span class="{"" if word == "live" else "bad-word"}">{words[word]}</span>{told}'


def _numbers(watched: Watched, words: Words) -> str:
    missing = watched.numbers.missing
    newest = str(max(watched.numbers.newest, 0))
    if missing is None:
        return newest
    return f'{newest} <span class="bad-word">{words["missing"]} {missing[0]}–{missing[1]}</span>'


def _last(board: Board, words: Words) -> str:
    rows = [
        (escape(each.patient), words[f"state-{each.state}"], escape(each.reason), escape(each.updated_at))
        for each in board.last
    ]
    return _table(("patient", "state", "reason", "when"), rows, words)


def _notes(board: Board, words: Words) -> str:
    rows = [
        (_ago(each.at, board, words), escape(each.who), words[f"did-{each.action}"], escape(each.reference))
        for each in board.notes
    ]
    return _table(("when", "who", "what", "resource"), rows, words)


def _table(names: Sequence[str], rows: Iterable[Sequence[str]], words: Words) -> str:
    body = "".join(
        "<tr>"
        + "".join(f'<td data-label="{words[name]}:">{cell}</td>' for name, cell in zip(names, row, strict=True))
        + "</tr>"
        for row in rows
    )
    if not body:
        return f"<p>{words['nothing']}</p>"
    head = "".join(f'<th scope="col">{words[name]}</th>' for name in names)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _ago(moment: float, board: Board, words: Words) -> str:
    if not moment:
        return words["never"]
    seconds = max(0, int(board.now - moment))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return words["ago"].format(time=f"{seconds // size} {words[unit]}")
    return words["ago"].format(time=f"{seconds} {words['s']}")
