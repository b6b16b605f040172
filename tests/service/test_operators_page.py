"""The operator's page: behind its token, telling at a glance whether all is well, in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from adapter.inbox.numbering import Numbers
from adapter.inbox.sqlite_worklist import SqliteWorklist
from adapter.inbox.worklist import Ended, Ending, Turn, Watched, Wish
from adapter.ledger.entries import Entry, State
from adapter.service.board import Board
from adapter.service.operating import Decisions, Operating
from adapter.service.page import board_page
from adapter.service.words import CHINESE, ENGLISH, LANGUAGES

TOKEN = "the-operators-token-of-the-test"  # noqa: S105
NOW = 1_780_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def worklist(tmp_path: Path) -> Iterator[SqliteWorklist]:
    kept = SqliteWorklist(tmp_path / "worklist.sqlite")
    yield kept
    kept.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def browser(worklist: SqliteWorklist, clock: Clock) -> TestClient:
    def board() -> Board:
        return Board(
            server="https://fhir.example.org/r4",
            now=clock(),
            heartbeat=60,
            watched=worklist.watched(),
            letters=worklist.letters(),
            notes=worklist.notes(),
        )

    decisions = Decisions(
        replay=lambda letter: worklist.replay([letter], who="operator's page", now=clock()),
        drop=lambda letter: worklist.drop([letter], who="operator's page", now=clock()),
    )
    app = Starlette(routes=Operating(board, decisions, token=TOKEN, clock=clock).routes())
    return TestClient(app)


def give_up(worklist: SqliteWorklist, reference: str, reason: str = "http-500") -> int:
    """Leave a dead letter, as the worker does after its last try."""
    worklist.commit(Turn(wishes=[Wish(reference=reference, first=NOW - 900, due=NOW - 900)]))
    (task,) = worklist.due(NOW, most=10)
    worklist.commit(Turn(ended=[Ended(task=task, ending=Ending.DEAD, at=NOW, attempts=8, reason=reason)]))
    return worklist.letters()[-1].id


def entered(browser: TestClient) -> TestClient:
    assert browser.post("/operator/login", data={"token": TOKEN}).status_code == 200
    return browser


def test_without_the_token_nothing_is_shown(browser: TestClient, worklist: SqliteWorklist) -> None:
    give_up(worklist, "Patient/secret")
    answer = browser.get("/operator/")
    assert answer.status_code == 401
    assert "Patient/secret" not in answer.text


def test_a_wrong_token_is_told_and_opens_nothing(browser: TestClient) -> None:
    answer = browser.post("/operator/login", data={"token": "guess"})
    assert answer.status_code == 401
    assert ENGLISH["wrong"] in answer.text


@pytest.mark.parametrize("action", ["replay", "drop"])
def test_without_the_token_nothing_can_be_done(browser: TestClient, worklist: SqliteWorklist, action: str) -> None:
    letter = give_up(worklist, "Patient/1")
    browser.post(f"/operator/{action}", data={"id": letter})
    assert [each.id for each in worklist.letters()] == [letter]


def test_a_forged_or_expired_cookie_opens_nothing(browser: TestClient, clock: Clock) -> None:
    browser.cookies.set("osteo-fhir-operator", f"{int(NOW) + 1000}.{'0' * 64}")
    assert browser.get("/operator/").status_code == 401
    browser.cookies.clear()
    entered(browser)
    clock.now += 13 * 3600
    assert browser.get("/operator/").status_code == 401


def test_the_cookie_stays_with_this_page(browser: TestClient) -> None:
    answer = browser.post("/operator/login", data={"token": TOKEN}, follow_redirects=False)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie


def test_nothing_may_be_loaded_from_elsewhere(browser: TestClient) -> None:
    answer = entered(browser).get("/operator/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    assert "http://" not in answer.text


def test_all_is_well_until_a_letter_waits(browser: TestClient, worklist: SqliteWorklist) -> None:
    entered(browser)
    assert ENGLISH["well"] in browser.get("/operator/").text
    give_up(worklist, "Patient/1")
    assert ENGLISH["unwell"] in browser.get("/operator/").text


@pytest.mark.parametrize(
    ("watched", "word"),
    [
        (Watched(reference="Subscription/1", status="active", heard_at=NOW - 10), "live"),
        (Watched(reference="Subscription/1", status="active", heard_at=NOW - 200), "silent"),
        (Watched(reference="Subscription/1", status="error", heard_at=NOW - 10), "off"),
    ],
)
def test_the_liveness_of_a_subscription_is_told(
    browser: TestClient, worklist: SqliteWorklist, watched: Watched, word: str
) -> None:
    worklist.commit(Turn(watched=[watched]))
    text = entered(browser).get("/operator/").text
    assert f">{ENGLISH[word]}</span>" in text
    assert (ENGLISH["well"] in text) is (word == "live")


def test_a_service_that_cannot_work_is_not_well_and_says_why(worklist: SqliteWorklist) -> None:
    board = Board(server="https://fhir.example.org/r4", now=NOW, faults=["the worker hangs"])
    assert ENGLISH["unwell"] in board_page(board, "en")
    assert "the worker hangs" in board_page(board, "en")
    assert ENGLISH["faults"] not in board_page(Board(server=board.server, now=NOW), "en")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("state", State)
def test_each_state_of_an_assessment_has_words(language: str, state: State) -> None:
    last = Entry(server="s", key="k", patient="Patient/1", state=state, updated_at="2026-06-01T00:00:00Z")
    page = board_page(Board(server="s", now=NOW, last=[last]), language)
    assert LANGUAGES[language][f"state-{state}"] in page


def test_chinese_readers_read_no_english_units() -> None:
    watched = [Watched(reference=f"Subscription/{ago}", heard_at=NOW - ago) for ago in (5, 300, 9000, 900_000)]
    page = board_page(Board(server="s", now=NOW, watched=watched), "zh")
    assert [time for time in ("5 秒前", "5 分钟前", "2 小时前", "10 天前") if time not in page] == []


def test_missing_event_numbers_are_shown(browser: TestClient, worklist: SqliteWorklist) -> None:
    numbers = Numbers(highest=20, beyond=(23,))
    worklist.commit(Turn(watched=[Watched(reference="Subscription/1", numbers=numbers, heard_at=NOW)]))
    assert "21–22" in entered(browser).get("/operator/").text


def test_a_letter_is_tried_again_and_the_decision_is_noted(browser: TestClient, worklist: SqliteWorklist) -> None:
    letter = give_up(worklist, "Patient/1")
    page = entered(browser).post("/operator/replay", data={"id": letter})
    assert worklist.letters() == []
    assert [task.reference for task in worklist.due(NOW, most=10)] == ["Patient/1"]
    assert [(note.action, note.reference) for note in worklist.notes()] == [("replay", "Patient/1")]
    assert "Patient/1" in page.text


def test_a_letter_is_dropped_and_the_decision_is_noted(browser: TestClient, worklist: SqliteWorklist) -> None:
    letter = give_up(worklist, "Patient/1")
    entered(browser).post("/operator/drop", data={"id": letter})
    assert worklist.letters() == []
    assert worklist.due(NOW, most=10) == []
    assert [note.action for note in worklist.notes()] == ["drop"]


def test_what_came_from_a_server_cannot_become_markup(browser: TestClient, worklist: SqliteWorklist) -> None:
    give_up(worklist, "Patient/1", reason="<b>bold</b>")
    worklist.commit(Turn(watched=[Watched(reference='Subscription/"><i>', status="<script>", heard_at=NOW)]))
    text = entered(browser).get("/operator/").text
    assert "<b>bold" not in text
    assert "<script" not in text
    assert '"><i>' not in text


def test_the_page_speaks_the_readers_language(browser: TestClient) -> None:
    entered(browser)
    assert CHINESE["well"] in browser.get("/operator/", headers={"Accept-Language": "zh-CN,zh;q=0.9"}).text
    assert ENGLISH["well"] in browser.get("/operator/").text
    assert CHINESE["well"] in browser.get("/operator/?language=zh").text
    assert CHINESE["well"] in browser.get("/operator/").text, "and remembers the choice"


def test_both_languages_say_the_same_things() -> None:
    assert ENGLISH.keys() == CHINESE.keys()


def test_a_flood_of_form_data_is_not_read(browser: TestClient) -> None:
    answer = browser.post("/operator/login", content=b"token=" + b"x" * 1_000_000)
    assert answer.status_code == 401
