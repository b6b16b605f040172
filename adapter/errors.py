"""What stops the run, and who must act on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_NOTHING: Mapping[str, str] = {}


class AdapterError(Exception):
    """The run cannot go on; the class says who must act."""


class SettingsInvalid(AdapterError):
    """The operator must change a setting or an argument."""


class MappingsInvalid(AdapterError):
    """The author of the mappings must mend a file: the text names the file, the key and what was expected."""


class InputUnreadable(AdapterError):
    """The sender must send other bytes: they are no JSON, no FHIR, or beyond the limits.

    Attributes:
        sentence, values: What is wrong, without the place, as a ``Problem`` says it.
    """

    def __init__(self, sentence: str, values: Mapping[str, str] = _NOTHING, *, where: str = "") -> None:
        """Say what is wrong, and where it stands."""
        what = sentence.format_map(values) if values else sentence
        super().__init__(f"{where}: {what}" if where else what)
        self.sentence, self.values = sentence, values


class ExportUnsound(InputUnreadable):
    """The sender must send the export again: files are missing, cut short, there twice, or hold less than promised.

    Attributes:
        findings: What was found, a file each.
    """

    def __init__(self, findings: Sequence[str]) -> None:
        """Name every finding."""
        listed = "".join(f"\n  {finding}" for finding in findings)
        super().__init__(f"the export is not sound, so nothing was converted:{listed}")
        self.findings = tuple(findings)

    def __reduce__(self) -> tuple[type[ExportUnsound], tuple[tuple[str, ...]]]:
        """Pass between processes as what it was made of."""
        return ExportUnsound, (self.findings,)


class OutputRefused(AdapterError):
    """The operator must choose another place to write, or allow overwriting."""


class LedgerUnusable(AdapterError):
    """The operator must give the ledger another place: the disk is full, read-only, or the file is not ours."""


class InboxUnusable(AdapterError):
    """The operator must give the inbox room or another place: the disk is full, read-only, or the file is not ours."""


class ServerError(AdapterError):
    """The server's administrator, or time, must help; the text names no patient.

    Attributes:
        code: What happened, in one word: ``unreachable``, ``cross-origin-link``, ``unexpected-content``, ``http-404`` …
        status: The HTTP status; 0 where no answer came.
        may_retry: Whether the same request may succeed later.
        issues: What the server's OperationOutcome says: severity, code and expression of each issue, never its words.
        request_id: What the server calls the exchange, for its administrator's logs.
    """

    def __init__(
        self,
        what: str,
        *,
        code: str,
        status: int = 0,
        may_retry: bool = False,
        issues: Sequence[str] = (),
        request_id: str = "",
    ) -> None:
        """Say what happened, and all that helps to find out why."""
        super().__init__(what)
        self.code, self.status, self.may_retry = code, status, may_retry
        self.issues, self.request_id = tuple(issues), request_id
