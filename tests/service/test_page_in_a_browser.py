"""The operator's page in a real browser: nothing sticks out, on a desk and on a phone, in both languages."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import escape
from pathlib import Path

import pytest

from adapter.inbox.numbering import Numbers
from adapter.inbox.worklist import Letter, Note, Watched
from adapter.ledger.entries import Entry, State
from adapter.service.board import Board
from adapter.service.page import board_page, login_page

NOW = 1_780_000_000.0
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
# Says how wide the content is, and how many controls are too small for a finger.
_MEASURE = """<script>
const seen=[...document.querySelectorAll('button,input:not([type=hidden])')].filter(e=>e.offsetParent);
const small=seen.filter(e=>e.offsetHeight<38).length;
parent.document.title=`measured ${document.documentElement.scrollWidth} ${innerWidth} ${small}`;
</script>"""
# Chromium's window is never narrower than 500 pixels; a frame is.
_FRAME = '<body style="margin:0"><iframe style="border:0;height:900px;width:{width}px" srcdoc="{page}"></iframe>'
BOARD = Board(
    server="https://fhir.a-hospital-with-a-long-name.example.org/fhir/r4/tenant-7",
    now=NOW,
    heartbeat=60,
    faults=["/var/lib/osteo-fhir/inbox.sqlite: the disk is full; make room and start again"],
    watched=[
        Watched(
            reference="Subscription/4c1d7c1e-8f0a-4f4d-9d5c-2d1f7c5a9e11",
            numbers=Numbers(highest=20, beyond=(23,)),
            status="active",
            heard_at=NOW - 12,
            event_at=NOW - 3000,
            gaps=1,
        ),
        Watched(reference="", heard_at=NOW - 90_000),
    ],
    waiting=12,
    oldest=NOW - 70,
    tasks=3,
    letters=[
        Letter(
            id=1,
            reference="Patient/0b7e5f2e-2a30-4a4e-8f6e-5a1f1c9f2d10",
            reason="http-422",
            attempts=8,
            first=NOW - 9000,
            at=NOW,
        )
    ],
    notes=[Note(at=NOW - 600, who="operator's page", action="replay", reference="Patient/2", reason="http-500")],
    last=[
        Entry(
            server="s", key="k", patient="Patient/3", state=State.WRITTEN, reason="", updated_at="2026-06-01T00:00:00Z"
        )
    ],
)
PAGES = {
    "board-en": board_page(BOARD, "en"),
    "board-zh": board_page(BOARD, "zh"),
    "login-zh": login_page("zh", failed=True),
}
needs_browser = pytest.mark.skipif(not CHROMIUM, reason="no Chromium; on Debian: apt-get install chromium")


def chromium(*arguments: str, folder: Path) -> str:
    shown = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder / 'profile'}",
            *arguments,
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return shown.stdout


@needs_browser
@pytest.mark.parametrize("width", [1280, 360], ids=["desk", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_sticks_out_and_every_control_can_be_hit(name: str, width: int, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(_FRAME.format(width=width, page=escape(PAGES[name] + _MEASURE)), "utf-8")
    shown = chromium("--window-size=1400,900", "--dump-dom", page.as_uri(), folder=tmp_path)
    content, window, small = map(int, re.findall(r"measured (\d+) (\d+) (\d+)", shown)[0])
    assert content <= window == width
    assert small == 0
