"""What every inbox promises: stored is safe, each event once, and nothing is forgotten before it is done.

A new kind of inbox joins by adding itself to the list.
"""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapter.errors import InboxUnusable
from adapter.fhir.notifications import Happening, Kind, Notification
from adapter.inbox.events import Arrival, Inbox, arrivals_of
from adapter.inbox.sqlite_inbox import SqliteInbox
from tests.full_disk import full_disk

Opened = Callable[[], Inbox]
KINDS: dict[str, Callable[[Path, Callable[[], float]], Inbox]] = {
    "sqlite": lambda folder, clock: SqliteInbox(folder / "inbox.sqlite", clock=clock, remembered=3)
}


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """Opens the same inbox again and again."""
    inboxes: list[Inbox] = []

    def again() -> Inbox:
        inboxes.append(KINDS[request.param](tmp_path, lambda: 1000.0 + len(inboxes)))
        return inboxes[-1]

    yield again
    for inbox in inboxes:
        inbox.close()


def event(number: int, focus: str = "Observation/1", version: str = "t1") -> Arrival:
    happening = Happening(focus, number, version, ("Patient/one",))
    told = Notification(
        kind=Kind.EVENT, subscription="Subscription/s", count=number, status="active", events=(happening,)
    )
    return arrivals_of(told, subscription="Subscription/s")[0]


def test_what_was_stored_is_there_when_it_is_opened_again(opened: Opened) -> None:
    assert opened().store([event(1), event(2)]) == 2
    kept = opened().after(0, most=10)
    assert [(each.number, each.focus, each.hint, each.count, each.status) for each in kept] == [
        (1, "Observation/1", "Patient/one", 1, "active"),
        (2, "Observation/1", "Patient/one", 2, "active"),
    ]
    assert kept[0].id < kept[1].id
    assert kept[0].at == 1001


def test_the_same_event_sent_again_is_kept_once(opened: Opened) -> None:
    """E41."""
    inbox = opened()
    assert [inbox.store([event(1)]), inbox.store([event(1), event(1), event(2)])] == [1, 1]
    assert [each.number for each in inbox.after(0, most=10)] == [1, 2]


def test_another_event_under_the_same_number_is_kept_too(opened: Opened) -> None:
    """E42: a server that counts anew must not be mistaken for one that repeats itself."""
    inbox = opened()
    inbox.store([event(1), event(1, "Observation/2"), event(1, version="t2")])
    assert len(inbox.after(0, most=10)) == 3


def test_a_number_that_comes_again_without_a_time_is_searched_for(opened: Opened) -> None:
    """E42: of a server that counts anew and tells no times, every event would be lost for a repetition"""
    inbox = opened()
    undated, dated = event(1, version=""), event(2)
    inbox.store([undated, dated])
    assert inbox.store([dated]) == 0
    assert [each.kind for each in inbox.after(0, most=10)] == [Kind.EVENT, Kind.EVENT]
    assert inbox.store([undated]) == 0
    assert [each.kind for each in inbox.after(0, most=10)] == [Kind.EVENT, Kind.EVENT, Kind.PING]


def test_what_says_nothing_of_its_version_is_never_taken_for_a_repetition(opened: Opened) -> None:
    """Of two pings the second may tell of a later change."""
    inbox = opened()
    changed = Notification(kind=Kind.CHANGED, events=(Happening("Observation/1"),))
    told = [*arrivals_of(Notification(kind=Kind.PING), subscription=""), *arrivals_of(changed, subscription="")]
    inbox.store(told + told)
    assert len(inbox.after(0, most=10)) == 4


def test_events_are_taken_in_order_and_a_few_at_a_time(opened: Opened) -> None:
    inbox = opened()
    inbox.store([event(number) for number in range(1, 6)])
    first = inbox.after(0, most=2)
    second = inbox.after(first[-1].id, most=10)
    assert [each.number for each in first + second] == [1, 2, 3, 4, 5]


def test_it_is_known_how_much_waits_and_since_when(opened: Opened) -> None:
    inbox = opened()
    assert inbox.waiting(0) == (0, 0)
    inbox.store([event(1), event(2)])
    first = inbox.after(0, most=1)[0]
    assert inbox.waiting(first.id) == (1, 1001)


def test_pruning_forgets_what_is_done_but_not_what_is_needed_to_know_repetitions(opened: Opened) -> None:
    inbox = opened()
    inbox.store([event(number) for number in range(1, 11)])
    cursor = inbox.after(0, most=10)[7].id
    assert [inbox.prune(cursor), inbox.prune(cursor)] == [5, 0]
    assert [each.number for each in inbox.after(0, most=10)] == [6, 7, 8, 9, 10]
    assert inbox.store([event(8)]) == 0


def test_an_id_is_never_used_twice(opened: Opened) -> None:
    inbox = opened()
    inbox.store([event(number) for number in range(1, 6)])
    last = inbox.after(0, most=10)[-1].id
    inbox.prune(last + 100)
    inbox.store([event(6)])
    assert inbox.after(last, most=10)[0].id > last


def test_all_arrivals_of_a_commit_are_stored_or_none(opened: Opened) -> None:
    inbox = opened()
    broken = Arrival(key="k", kind=Kind.EVENT, number=2**70)
    with pytest.raises(sqlite3.IntegrityError):
        inbox.store([event(1), broken])
    assert inbox.after(0, most=10) == []
    assert inbox.store([event(1)]) == 1


# What concerns the file alone.


def test_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "inbox.sqlite"
    SqliteInbox(path, clock=lambda: 0.0).store([event(1)])
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    path.chmod(0o644)
    SqliteInbox(path, clock=lambda: 0.0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_disk_is_told_apart_and_nothing_is_half_stored(tmp_path: Path) -> None:
    """E45."""
    path = tmp_path / "inbox.sqlite"
    inbox = SqliteInbox(path, clock=lambda: 0.0)
    inbox.store([event(1)])
    with full_disk(inbox._file), pytest.raises(InboxUnusable, match="disk is full"):
        inbox.store([event(number) for number in range(2, 2_000)])
    assert len(inbox.after(0, most=10)) == 1


def test_a_path_that_cannot_be_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InboxUnusable, match="let this user write"):
        SqliteInbox(tmp_path / "file" / "inbox.sqlite", clock=lambda: 0.0)


def test_another_programs_file_and_a_newer_one_are_not_touched(tmp_path: Path) -> None:
    other, newer, none = tmp_path / "other", tmp_path / "newer", tmp_path / "none"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(InboxUnusable, match="another program's"):
        SqliteInbox(other, clock=lambda: 0.0)
    SqliteInbox(newer, clock=lambda: 0.0).close()
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(InboxUnusable, match="newer version"):
        SqliteInbox(newer, clock=lambda: 0.0)
    none.write_bytes(b"no database at all, and long enough to be seen as such" * 100)
    with pytest.raises(InboxUnusable, match="no database"):
        SqliteInbox(none, clock=lambda: 0.0)
