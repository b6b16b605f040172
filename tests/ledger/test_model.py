"""Whatever is done in whatever order, the ledger agrees with a dict; also when it is opened anew in between."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from adapter.ledger import GIVEN_UP, MAY_STAND, UNFINISHED, Entry, State
from tests.ledger.building import OTHER_SERVER, SERVER, Clock, ledger_in

servers = st.sampled_from([SERVER, OTHER_SERVER])
keys = st.sampled_from(["k1", "k2", "k3"])
patients = st.sampled_from(["Patient/1", "Patient/2", "Patient/3"])
owners = st.sampled_from(["a", "b"])
scopes = st.sampled_from(["all", "group"])
references = st.sampled_from([f"Observation/{n}/_history/{version}" for n in (1, 2, 3) for version in (1, 2)])
entries = st.builds(
    Entry,
    server=servers,
    key=keys,
    patient=patients,
    state=st.sampled_from(State),
    evidence=st.lists(references, max_size=4).map(tuple),
    written=st.lists(references, max_size=2).map(tuple),
    attempts=st.integers(0, 3),
    reason=st.sampled_from(["", "http-500"]),
    replaces=st.sampled_from(["", "k1"]),
)


class Agrees(RuleBasedStateMachine):
    """The ledger beside what it should hold, in the order in which states changed."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.ledger = ledger_in(Path(self.folder.name), self.clock)
        self.known: dict[tuple[str, str], Entry] = {}
        self.leases: dict[tuple[str, str], tuple[str, float]] = {}
        self.runs: dict[tuple[str, str], tuple[int, str, set[str]]] = {}
        self.watermarks: dict[tuple[str, str], str] = {}

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()

    @rule(entry=entries)
    def record(self, entry: Entry) -> None:
        self.ledger.record(entry)
        place = (entry.server, entry.key)
        before = self.known.get(place)
        is_news = before is None or any(
            getattr(before, name) != getattr(entry, name) for name in ("patient", "state", "evidence")
        )
        if is_news:
            self.known.pop(place, None)
        self.known[place] = msgspec.structs.replace(entry, updated_at=self.now)

    @rule(hours=st.integers(0, 48))
    def let_time_pass(self, hours: int) -> None:
        self.clock.forward(hours=hours)

    @rule()
    def open_anew(self) -> None:
        self.ledger.close()
        self.ledger = ledger_in(Path(self.folder.name), self.clock)
        # Who held them has gone.
        self.leases.clear()

    @rule(server=servers, patient=patients, owner=owners, hours=st.integers(1, 24))
    def claim(self, server: str, patient: str, owner: str, hours: int) -> None:
        holder, until = self.leases.get((server, patient), (owner, 0.0))
        may = holder == owner or until <= self.clock.now.timestamp()

        assert self.ledger.claim(server, patient, owner=owner, seconds=hours * 3600) is may
        if may:
            self.leases[server, patient] = (owner, self.clock.now.timestamp() + hours * 3600)

    @rule(server=servers, patient=patients, owner=owners)
    def release(self, server: str, patient: str, owner: str) -> None:
        self.ledger.release(server, patient, owner=owner)
        if self.leases.get((server, patient), ("",))[0] == owner:
            del self.leases[server, patient]

    @rule(wanted=st.lists(keys, max_size=2), patient=st.just("") | patients, dry_run=st.booleans())
    def retry(self, wanted: list[str], patient: str, dry_run: bool) -> None:
        chosen = [
            each
            for each in self.known.values()
            if each.state in GIVEN_UP and (not wanted or each.key in wanted) and patient in ("", each.patient)
        ]

        found = self.ledger.retry(keys=wanted, patient=patient, dry_run=dry_run)

        assert sorted(found, key=repr) == sorted(chosen, key=repr)
        for each in () if dry_run else chosen:
            state = State.WRITING if each.attempts or each.written else State.ASSESSED
            self.known[each.server, each.key] = msgspec.structs.replace(
                each, state=state, attempts=0, updated_at=self.now
            )

    @rule(days=st.integers(0, 3), standing=st.booleans(), dry_run=st.booleans())
    def purge(self, days: int, standing: bool, dry_run: bool) -> None:
        before = Clock()
        before.forward(days=days)
        kept = {*UNFINISHED, *(() if standing else (State.WRITTEN,))}
        old = [
            place
            for place, each in self.known.items()
            if each.updated_at < before.now.isoformat(timespec="microseconds") and each.state not in kept
        ]

        counts = self.ledger.purge(before.now, standing=standing, dry_run=dry_run)

        assert sum(counts.values()) == len(old)
        for place in () if dry_run else old:
            del self.known[place]

    @rule(server=servers, scope=scopes, found=st.sets(patients), until=st.sampled_from(["", "one", "two"]))
    def begin_run(self, server: str, scope: str, found: set[str], until: str) -> None:
        run = self.ledger.begin_run(server, scope, until=until, patients=sorted(found))
        _, _, undone = self.runs.get((server, scope), (0, "", set()))
        self.runs[server, scope] = (run, until, found | undone)

    @rule(server=servers, scope=scopes, patient=patients)
    def settle(self, server: str, scope: str, patient: str) -> None:
        run, _, undone = self.runs.get((server, scope), (0, "", set()))
        self.ledger.settle(run, patient)
        undone.discard(patient)

    @rule(server=servers, scope=scopes)
    def finish_run(self, server: str, scope: str) -> None:
        run, until, undone = self.runs.get((server, scope), (0, "", {"nobody has begun"}))

        assert self.ledger.finish_run(run) is not bool(undone)
        if not undone:
            self.watermarks[server, scope] = until or self.watermarks.get((server, scope), "")

    @invariant()
    def it_holds_what_was_recorded(self) -> None:
        assert {(each.server, each.key): each for each in self.ledger.entries()} == self.known

    @invariant()
    def the_newest_that_stands_is_current(self) -> None:
        for server in (SERVER, OTHER_SERVER):
            for patient in ("Patient/1", "Patient/2", "Patient/3"):
                standing = [
                    each
                    for each in self.known.values()
                    if (each.server, each.patient, each.state) == (server, patient, State.WRITTEN)
                ]
                assert self.ledger.current(server, patient) == (standing[-1] if standing else None)

    @invariant()
    def evidence_finds_what_rests_on_it(self) -> None:
        for number in (1, 2, 3):
            resting = {
                each.key
                for each in self.known.values()
                if each.server == SERVER
                and each.state in MAY_STAND
                and any(reference.startswith(f"Observation/{number}/") for reference in each.evidence)
            }
            assert {each.key for each in self.ledger.resting_on(SERVER, f"Observation/{number}")} == resting

    @invariant()
    def counts_are_those_of_the_entries(self) -> None:
        states = [each.state for each in self.known.values()]
        assert self.ledger.counts() == {state: states.count(state) for state in set(states)}

    @invariant()
    def watermarks_stand_where_the_last_whole_run_ended(self) -> None:
        for (server, scope), (run, _, undone) in self.runs.items():
            assert self.ledger.watermark(server, scope) == self.watermarks.get((server, scope), "")
            assert self.ledger.pending(run) == sorted(undone)

    @property
    def now(self) -> str:
        return self.clock.now.isoformat(timespec="microseconds")


TestTheLedgerAgreesWithADict = Agrees.TestCase
TestTheLedgerAgreesWithADict.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
