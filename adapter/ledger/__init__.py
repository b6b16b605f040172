"""What was assessed and written, and what is still to do; kept through crashes, shared by processes."""

from adapter.ledger.entries import GIVEN_UP, MAY_STAND, UNFINISHED, Count, Entry, Lease, Progress, State
from adapter.ledger.ledger import Ledger

__all__ = ["GIVEN_UP", "MAY_STAND", "UNFINISHED", "Count", "Entry", "Lease", "Ledger", "Progress", "State"]
