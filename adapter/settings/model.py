"""Every setting: its name, type, limits, default, and one sentence. The words stand in the help and in the docs too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    model_validator,
)


def _without_credentials(url: str) -> str:
    if "@" in urlsplit(url).netloc:
        raise ValueError("expected an address without user or password; set auth instead")
    return url


_Path = Annotated[Path, AfterValidator(Path.expanduser)]
_Url = Annotated[str, AfterValidator(_without_credentials)]
_Seconds = Annotated[float, Field(gt=0, le=7 * 86_400, allow_inf_nan=False)]
_Tries = Annotated[int, Field(ge=1, le=100)]
_Size = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """What ``run``, ``serve``, ``export`` and ``upload`` need to know; the defaults are the safe ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    # the server and the assessment
    server: _Url = Field("", description="Base address of the FHIR server.")
    fhir: Literal["auto", "R4", "R4B", "R5", "STU3"] = Field(
        "auto", description="FHIR release to read and write; auto is what the server says."
    )
    mappings: tuple[_Path, ...] = Field((), description="Folders of your own mappings laid over the shipped ones.")
    language: Literal["en", "zh"] = Field("en", description="Language of what clinicians read.")
    allow_preliminary: bool = Field(False, description="Use preliminary results; the assessment is preliminary then.")
    read_text: bool = Field(False, description="Read numbers from text such as '<0.05 ng/mL', by a strict grammar.")
    use_issued: bool = Field(False, description="Use 'issued' where a result has no effective time.")
    qfracture: bool = Field(False, description="Show QFracture-2012 as information, with its disclaimer.")
    label_ai: bool = Field(False, description="Label what is written as asserted by an algorithm (AIAST).")
    # the work
    ledger: _Path = Field(
        Path("~/.local/state/osteo-fhir/ledger.sqlite"), description="The file that remembers what was written."
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(4, description="How many patients to work on at a time.")
    limit: Annotated[int, Field(ge=0)] = Field(0, description="Stop after this many patients; 0 is all.")
    incremental: Literal["full", "last-updated", "date"] = Field(
        "full", description="What to look at: everything, what changed since, or results dated since."
    )
    overlap_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        300, description="How far to look back before the last watermark."
    )
    audit: Literal["file", "server", "both", "none"] = Field(
        "file", description="Where to record, as AuditEvents, whose record was read and what was written."
    )
    audit_file: _Path | None = Field(
        None, description="The file of these events; default: ledger.audit.ndjson beside the ledger."
    )
    # asking
    page_size: Annotated[int, Field(ge=1, le=10_000)] = Field(200, description="How many resources to ask for a page.")
    search: Literal["auto", "post"] = Field(
        "auto", description="Search by GET while the address is short, or always by POST."
    )
    search_pages: _Size = Field(
        1000, description="The most pages of one search; the list of all patients ends by time alone."
    )
    search_bytes: _Size = Field(536_870_912, description="The most bytes of one search.")
    search_seconds: _Seconds = Field(900, description="The most seconds of one search, retries included.")
    answer_bytes: _Size = Field(268_435_456, description="The most bytes of one answer, decompressed.")
    request_seconds: _Seconds = Field(60, description="How long to wait for one answer.")
    connect_seconds: _Seconds = Field(10, description="How long to wait for a connection.")
    retry_tries: _Tries = Field(5, description="How often to send a request at most.")
    retry_seconds: _Seconds = Field(300, description="After how long to give up a request, retries included.")
    # the wire
    allow_http: bool = Field(False, description="Allow plain http to another machine; patients' data is unprotected.")
    ca_bundle: _Path | None = Field(None, description="Certificates to trust instead of the system's (PEM).")
    client_certificate: _Path | None = Field(None, description="Our certificate for mutual TLS (PEM).")
    client_key: _Path | None = Field(None, description="Its key, if it is in a file of its own (PEM).")
    use_proxies: bool = Field(False, description="Take proxies from the environment (HTTPS_PROXY, NO_PROXY).")
    allowed_origins: tuple[_Url, ...] = Field(
        (), description="Other origins trusted with export files or as token endpoint, such as https://files.example."
    )
    # who we are
    auth: Literal["none", "bearer", "basic", "smart"] = Field("none", description="How to prove who we are.")
    token: SecretStr | None = Field(None, description="The bearer token.")
    token_file: _Path | None = Field(None, description="File with the bearer token, read again after a 401.")
    username: str = Field("", description="The name for basic authentication.")
    password: SecretStr | None = Field(None, description="The password for basic authentication.")
    password_file: _Path | None = Field(None, description="File with the password, read again after a 401.")
    client_id: str = Field("", description="Our name as a registered SMART client.")
    key_file: _Path | None = Field(None, description="Private key of the SMART client, PEM or JWK.")
    kid: str = Field("", description="Registered name of the key, if it is not the one in the file.")
    jku: _Url = Field("", description="Address of our public keys, if they were registered by address.")
    token_url: _Url = Field("", description="Token endpoint; default: what the server's discovery says.")
    scopes: str = Field("", description="Scopes to ask for, with spaces between; default: the least needed.")
    # notifications
    listen: str = Field("127.0.0.1:8040", description="Address and port that take notifications.")
    inbox: _Path = Field(
        Path("~/.local/state/osteo-fhir/inbox.sqlite"), description="The file that keeps notifications until done."
    )
    secret: SecretStr | None = Field(None, description="What a notification must bring to be believed.")
    secret_file: _Path | None = Field(None, description="File with that secret.")
    window_seconds: _Seconds = Field(5, description="How long to gather notifications of one patient.")
    notification_tries: _Tries = Field(8, description="How often to try a notified patient before setting it aside.")
    secret_header: str = Field("authorization", description="The header of a notification that brings the secret.")
    subscriptions: tuple[str, ...] = Field(
        (), description="The only ones to listen to, as Subscription/1; default: those the server says lead to us."
    )
    take_transactions: bool = Field(False, description="Take notifications of type transaction, as HAPI sends for R5.")
    gap_seconds: _Seconds = Field(10, description="How long to wait for a missing event before asking for it.")
    search_interval_seconds: _Seconds = Field(15, description="The fewest seconds between two searches for changes.")
    sweep_seconds: _Seconds = Field(3600, description="Search for changes at least so often, for what nobody told us.")
    heartbeat_seconds: Annotated[int, Field(ge=0, le=86_400)] = Field(
        60, description="Sign of life to ask of a Subscription with a topic; 0 asks for none and misses none."
    )
    operator_token: SecretStr | None = Field(None, description="What opens the operator's page; without it, no page.")
    operator_token_file: _Path | None = Field(None, description="File with that token.")

    _origins: Mapping[str, str] = PrivateAttr(default_factory=dict)

    def origin(self, name: str) -> str:
        """Where a value came from: ``flag --limit``, ``environment OSTEO_FHIR_LIMIT``, ``file FILE``, ``default``."""
        return self._origins.get(name, "default")

    def with_origins(self, origins: Mapping[str, str]) -> Self:
        """The same settings, knowing where each value came from."""
        self._origins = dict(origins)
        return self

    @model_validator(mode="after")
    def _credentials_fit(self) -> Self:
        for told in filter(None, (self._lacking(), self._idle(), self._twice())):
            raise ValueError(told)
        return self

    def _lacking(self) -> str:
        """What the kind of authorisation needs and is not set."""
        needed: dict[str, tuple[tuple[str, ...], ...]] = {
            "bearer": (("token_file", "token"),),
            "basic": (("username",), ("password_file", "password")),
            "smart": (("client_id",), ("key_file",)),
        }
        lacking = [" or ".join(any_of) for any_of in needed.get(self.auth, ()) if not self._is_set(*any_of)]
        if self.client_key and not self.client_certificate:
            return "client_key needs client_certificate beside it"
        return f"auth {self.auth} needs {' and '.join(lacking)}" if lacking else ""

    def _idle(self) -> str:
        """A credential that nobody asked for: the operator will think that it is used."""
        credentials = ("token", "token_file", "username", "password", "password_file", "client_id", "key_file")
        idle = [name for name in credentials if self._is_set(name)] if self.auth == "none" else []
        return f"{', '.join(idle)} is set and auth is none; expected auth bearer, basic or smart" if idle else ""

    def _twice(self) -> str:
        twice = [
            name
            for name in ("token", "password", "secret", "operator_token")
            if self._is_set(name) and self._is_set(f"{name}_file")
        ]
        return f"{twice[0]} and {twice[0]}_file are both set; expected one of them" if twice else ""

    def _is_set(self, *names: str) -> bool:
        return any(getattr(self, name) not in (None, "") for name in names)


SECRETS = frozenset(name for name, field in Settings.model_fields.items() if field.annotation == SecretStr | None)
LISTS = frozenset(name for name, field in Settings.model_fields.items() if isinstance(field.default, tuple))

# What belongs together on the command line and in the docs; every setting is in one group.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "server": (
        "server",
        "allow_http",
        "ca_bundle",
        "client_certificate",
        "client_key",
        "use_proxies",
        "allowed_origins",
    ),
    "authorisation": (
        *("auth", "token", "token_file", "username", "password", "password_file"),
        *("client_id", "key_file", "kid", "jku", "token_url", "scopes"),
    ),
    "assessing": (
        *("fhir", "mappings", "language", "allow_preliminary", "read_text", "use_issued", "qfracture", "label_ai"),
    ),
    "work": ("ledger", "workers", "limit", "incremental", "overlap_seconds", "audit", "audit_file"),
    "asking": (
        *("page_size", "search", "search_pages", "search_bytes", "search_seconds", "answer_bytes"),
        *("request_seconds", "connect_seconds", "retry_tries", "retry_seconds"),
    ),
    "notifications": (
        *("listen", "inbox", "secret", "secret_file", "secret_header", "subscriptions", "take_transactions"),
        *("window_seconds", "notification_tries", "gap_seconds", "search_interval_seconds", "sweep_seconds"),
        *("heartbeat_seconds", "operator_token", "operator_token_file"),
    ),
}
