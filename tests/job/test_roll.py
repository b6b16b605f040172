"""The roll of a run holds each patient once, in the order met, however long it becomes."""

from __future__ import annotations

import tracemalloc

from adapter.job.roll import Roll


def test_each_patient_is_held_once_in_the_order_met() -> None:
    roll = Roll(["Patient/b", "Patient/a"])
    roll.add(["Patient/c", "Patient/a"])
    assert list(roll) == ["Patient/b", "Patient/a", "Patient/c"]
    assert (len(roll), "Patient/a" in roll, "Patient/d" in roll) == (3, True, False)
    assert not Roll()


def test_a_long_roll_is_not_kept_as_objects() -> None:
    tracemalloc.start()
    try:
        roll = Roll(f"Patient/{number}" for number in range(50_000))
        assert sum(1 for _ in roll) == 50_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000
