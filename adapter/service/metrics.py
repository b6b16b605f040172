"""Figures for Prometheus, about work and never about a patient."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

# Prometheus text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_PREFIX = "osteo_fhir_"
Labels = tuple[tuple[str, str], ...]
# Name, what it says, and its values by label.
Gauge = tuple[str, str, Mapping[Labels, float]]

_COUNTERS = {
    "requests_total": "Requests to the endpoint, by answer.",
    "events_stored_total": "Events stored before they were acknowledged, by whether they were new.",
    "commits_total": "Commits of the inbox.",
    "events_total": "Events taken in, by kind, and by what their number said.",
    "tasks_total": "Tries, by how they ended.",
    "letters_total": "Tasks given up, by reason.",
    "tendings_total": "Looks after Subscriptions that needed one, by what was found or done.",
}


class Metrics:
    """Counts; safe for threads."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, Labels]] = Counter()
        self._buckets = [0] * (len(_BUCKETS) + 1)
        self._seconds = 0.0

    def count(self, name: str, by: int = 1, **labels: str) -> None:
        """Count something."""
        with self._lock:
            self._counts[(name, tuple(labels.items()))] += by

    def stored(self, arrivals: int, new: int) -> None:
        """Count one commit of the inbox."""
        self.count("commits_total")
        self.count("events_stored_total", new, new="yes")
        self.count("events_stored_total", arrivals - new, new="no")

    def happened(self, what: str, how: str, count: int) -> None:
        """Count what the worker did: an ``event`` taken in, a ``task`` tried, a ``letter`` written."""
        self.count(f"{what}s_total", count, how=how)

    def acknowledged(self, seconds: float) -> None:
        """Count how long a sender waited for its acknowledgement."""
        with self._lock:
            self._buckets[bisect_left(_BUCKETS, seconds)] += 1
            self._seconds += seconds

    def text(self, gauges: Callable[[], Iterable[Gauge]]) -> str:
        """All figures as Prometheus reads them."""
        with self._lock:
            counts, buckets, seconds = dict(self._counts), list(self._buckets), self._seconds
        return "".join(f"{line}\n" for line in _lines(counts, buckets, seconds, gauges()))


def _lines(
    counts: Mapping[tuple[str, Labels], int], buckets: list[int], seconds: float, gauges: Iterable[Gauge]
) -> Iterator[str]:
    for name, what in _COUNTERS.items():
        yield from _family(name, "counter", what, {labels: by for (each, labels), by in counts.items() if each == name})
    for name, what, values in gauges:
        yield from _family(name, "gauge", what, values)
    yield from _head("acknowledgement_seconds", "histogram", "How long a sender waited for its acknowledgement.")
    total = 0
    for bound, number in zip((*map(str, _BUCKETS), "+Inf"), buckets, strict=True):
        total += number
        yield f'{_PREFIX}acknowledgement_seconds_bucket{{le="{bound}"}} {total}'
    yield f"{_PREFIX}acknowledgement_seconds_sum {seconds:.6f}"
    yield f"{_PREFIX}acknowledgement_seconds_count {total}"


def _family(name: str, kind: str, what: str, values: Mapping[Labels, float]) -> Iterator[str]:
    yield from _head(name, kind, what)
    for labels, value in sorted(values.items()):
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
        yield f"{_PREFIX}{name}{f'{{{inside}}}' if inside else ''} {value:.17g}"


def _head(name: str, kind: str, what: str) -> Iterator[str]:
    yield f"# HELP {_PREFIX}{name} {what}"
    yield f"# TYPE {_PREFIX}{name} {kind}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
