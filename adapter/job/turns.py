"""Who makes what all patients share: one worker at a time, over all threads and all processes on one ledger."""

from __future__ import annotations

import threading
from types import TracebackType

from adapter.errors import ServerError
from adapter.fhir_server.client import FhirServer
from adapter.ledger.ledger import Ledger

# Longer than one create takes with all its retries, and far shorter than the lease of the patient that waits for it.
_MOST_SECONDS, _LEASE_SECONDS, _SECONDS_BETWEEN = 60.0, 120.0, 0.05
_SHARED = "Device"


class DeviceTurn:
    """A turn at the Device of a server: while one worker has it, no other looks for the Device or makes it."""

    def __init__(self, server: FhirServer, ledger: Ledger, owner: str) -> None:
        """Take whose Device it is, and what all processes see."""
        self._server, self._ledger, self._owner = server, ledger, owner
        self._threads = threading.Lock()

    def __enter__(self) -> None:
        """Wait for the turn.

        Raises:
            ServerError: It did not come in time; trying again later may help.
        """
        if not self._threads.acquire(timeout=_MOST_SECONDS):
            raise _awaited()
        clock = self._server.clock
        until = clock.seconds() + _MOST_SECONDS
        try:
            while not self._ledger.claim(self._server.base, _SHARED, owner=self._owner, seconds=_LEASE_SECONDS):
                if clock.seconds() >= until:
                    raise _awaited()
                clock.sleep(_SECONDS_BETWEEN)
        except BaseException:
            self._threads.release()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next one have its turn."""
        try:
            self._ledger.release(self._server.base, _SHARED, owner=self._owner)
        finally:
            self._threads.release()


def _awaited() -> ServerError:
    return ServerError("another worker is still writing the Device", code="device-awaited", may_retry=True)
