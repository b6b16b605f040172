"""What every worklist promises: each thing once, news never lost, and what was given up waits for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapter.errors import InboxUnusable
from adapter.inbox.numbering import Numbers
from adapter.inbox.sqlite_worklist import SqliteWorklist
from adapter.inbox.worklist import Ended, Ending, Task, Turn, Watched, Wish, Worklist

Opened = Callable[[], Worklist]
KINDS: dict[str, Callable[[Path], Worklist]] = {"sqlite": lambda folder: SqliteWorklist(folder / "worklist.sqlite")}


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """Opens the same worklist again and again."""
    worklists: list[Worklist] = []

    def again() -> Worklist:
        worklists.append(KINDS[request.param](tmp_path))
        return worklists[-1]

    yield again
    for worklist in worklists:
        worklist.close()


def wish(reference: str, now: float, *, window: float = 5, delay: float = 20, hint: str = "") -> Wish:
    return Wish(reference=reference, first=now, due=now + window, delay=delay, hint=hint)


def only(worklist: Worklist, now: float = 1e9) -> Task:
    [task] = worklist.due(now, most=10)
    return task


def end(worklist: Worklist, task: Task, ending: Ending, **more: object) -> None:
    worklist.commit(Turn(ended=[Ended(task=task, ending=ending, at=100, **more)]))  # type: ignore[arg-type]


def test_everything_of_a_turn_is_there_when_it_is_opened_again(opened: Opened) -> None:
    watched = Watched(reference="Subscription/s", numbers=Numbers(3, (5,), 6, 2.5), status="active", heard_at=1, gaps=1)
    opened().commit(Turn(cursor=7, wishes=[wish("Patient/one", 0)], watched=[watched], marks={"a": "b"}))
    worklist = opened()
    assert (worklist.cursor(), worklist.mark("a"), worklist.mark("c")) == (7, "b", "")
    assert (worklist.watched(), only(worklist).reference) == ([watched], "Patient/one")


def test_a_panel_of_twelve_is_one_task(opened: Opened) -> None:
    worklist = opened()
    worklist.commit(Turn(wishes=[wish("Patient/one", second / 10) for second in range(12)]))
    task = only(worklist)
    assert (task.news, task.first, task.due) == (12, 0, 6.1)
    assert worklist.due(6, most=10) == []


def test_news_after_news_delays_a_task_but_not_for_ever(opened: Opened) -> None:
    worklist = opened()
    for now in range(0, 60, 4):
        worklist.commit(Turn(wishes=[wish("Patient/one", now)]))
    assert only(worklist).due == 20


def test_what_may_not_be_put_off_keeps_its_time(opened: Opened) -> None:
    worklist = opened()
    for now in (0, 3, 9):
        worklist.commit(Turn(wishes=[wish("changes", now, delay=0)]))
    assert only(worklist).due == 5


def test_the_longest_due_comes_first_and_what_is_under_way_is_left_out(opened: Opened) -> None:
    worklist = opened()
    worklist.commit(Turn(wishes=[wish(f"Patient/{second}", second) for second in (3, 1, 2)]))
    assert [each.reference for each in worklist.due(8, most=2)] == ["Patient/1", "Patient/2"]
    assert [each.reference for each in worklist.due(8, most=2, but={"Patient/1"})] == ["Patient/2", "Patient/3"]


def test_a_task_that_is_done_is_gone(opened: Opened) -> None:
    worklist = opened()
    worklist.commit(Turn(wishes=[wish("Patient/one", 0)]))
    end(worklist, only(worklist), Ending.DONE)
    assert worklist.counts() == (0, 0, 0)


def test_news_that_came_while_it_was_done_is_done_after(opened: Opened) -> None:
    worklist = opened()
    worklist.commit(Turn(wishes=[wish("Patient/one", 0)]))
    task = only(worklist)
    worklist.commit(Turn(wishes=[wish("Patient/one", 9)]))
    end(worklist, task, Ending.DONE, due=50)
    again = only(worklist)
    assert (again.due, again.first, again.attempts) == (50, 50, 0)


def test_news_does_not_pull_a_task_forward_that_waits_after_a_failure(opened: Opened) -> None:
    worklist = opened()
    worklist.commit(Turn(wishes=[wish("Patient/one", 0)]))
    end(worklist, only(worklist), Ending.LATER, due=500, attempts=2, reason="http-500")
    worklist.commit(Turn(wishes=[wish("Patient/one", 101)]))
    task = only(worklist)
    assert (task.due, task.attempts, task.reason, task.tried_at) == (500, 2, "http-500", 100)


def test_what_follows_from_a_task_comes_with_its_end(opened: Opened) -> None:
    worklist = opened()
    worklist.commit(Turn(wishes=[wish("Observation/1", 0, hint="Patient/two")]))
    task = only(worklist)
    assert task.hint == "Patient/two"
    end(worklist, task, Ending.DONE, wishes=(wish("Patient/one", 0),), marks={"seen": "yes"})
    assert (only(worklist).reference, worklist.mark("seen")) == ("Patient/one", "yes")


def given_up(worklist: Worklist, *references: str) -> list[int]:
    worklist.commit(Turn(wishes=[wish(each, 0, hint="Patient/hint") for each in references]))
    for task in worklist.due(1e9, most=10):
        end(worklist, task, Ending.DEAD, attempts=8, reason="http-500")
    return [each.id for each in worklist.letters()]


def test_news_of_a_task_that_ends_in_the_same_turn_is_not_lost(opened: Opened) -> None:
    worklist = opened()
    worklist.commit(Turn(wishes=[wish("Observation/1", 0), wish("Patient/one", 0), wish("Patient/two", 0)]))
    found, *patients = sorted(worklist.due(100, most=9), key=lambda task: task.reference)
    follows = (wish("Patient/one", 50, window=1),)
    done = [Ended(task=each, ending=Ending.DONE, at=100) for each in patients]
    worklist.commit(Turn(ended=[Ended(task=found, ending=Ending.DONE, at=100, wishes=follows), *done]))
    assert only(worklist).reference == "Patient/one"


def test_many_tasks_end_each_in_its_own_way(opened: Opened) -> None:
    worklist = opened()
    worklist.commit(Turn(wishes=[wish(f"Patient/{number}", 0) for number in range(9)]))
    tasks = sorted(worklist.due(100, most=9), key=lambda task: task.reference)
    worklist.commit(Turn(wishes=[wish("Patient/8", 90)]))
    endings = [Ending.DONE, Ending.LATER, Ending.DEAD] * 3
    ended = [
        Ended(task=task, ending=how, at=100, due=200, attempts=1, reason="r")
        for task, how in zip(tasks, endings, strict=True)
    ]
    worklist.commit(Turn(ended=ended))
    left = {task.reference for task in worklist.due(1000, most=9)}
    assert left == {"Patient/1", "Patient/4", "Patient/7", "Patient/8"}
    assert [letter.reference for letter in worklist.letters()] == ["Patient/2", "Patient/5", "Patient/8"]


def test_what_was_given_up_waits_with_its_reason(opened: Opened) -> None:
    worklist = opened()
    given_up(worklist, "Patient/one")
    [letter] = opened().letters()
    assert (letter.reference, letter.reason, letter.attempts, letter.at) == ("Patient/one", "http-500", 8, 100)
    assert worklist.counts() == (0, 1, 0)


def test_replaying_puts_it_back_at_once_and_is_noted(opened: Opened) -> None:
    worklist = opened()
    [first, _] = given_up(worklist, "Patient/one", "Patient/two")
    assert worklist.replay([first, 999], who="ward", now=200) == 1
    task = only(worklist)
    assert (task.reference, task.due, task.hint, task.attempts) == ("Patient/one", 200, "Patient/hint", 0)
    [note] = worklist.notes()
    assert (note.at, note.who, note.action, note.reference, note.reason) == (
        200,
        "ward",
        "replay",
        "Patient/one",
        "http-500",
    )


def test_dropping_throws_it_away_and_is_noted(opened: Opened) -> None:
    worklist = opened()
    ids = given_up(worklist, "Patient/one", "Patient/two")
    assert worklist.drop(ids, who="ward", now=200) == 2
    assert worklist.counts() == (0, 0, 0)
    assert {note.action for note in worklist.notes()} == {"drop"}


def test_what_is_done_after_all_needs_nobody_any_more(opened: Opened) -> None:
    worklist = opened()
    given_up(worklist, "Patient/one")
    worklist.commit(Turn(wishes=[wish("Patient/one", 300)]))
    end(worklist, only(worklist), Ending.DONE)
    assert worklist.letters() == []
    assert [(note.who, note.action) for note in worklist.notes()] == [("service", "done")]


def test_giving_the_same_up_twice_is_one_letter(opened: Opened) -> None:
    worklist = opened()
    assert given_up(worklist, "Patient/one") == given_up(worklist, "Patient/one")


def test_only_one_process_works_a_worklist_off(tmp_path: Path) -> None:
    path = tmp_path / "new" / "worklist.sqlite"
    worker = SqliteWorklist(path, is_worker=True)
    with pytest.raises(InboxUnusable, match="another process works it off"):
        SqliteWorklist(path, is_worker=True)
    SqliteWorklist(path).close()
    worker.close()
    SqliteWorklist(path, is_worker=True).close()
