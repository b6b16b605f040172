"""A hospital's FHIR server in memory, in the place of the network: what it holds and how it behaves is given."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from adapter.errors import ServerError
from adapter.fhir.decoding import decode, encode
from adapter.fhir_server.messages import Request, Response

Json = dict[str, Any]
BASE = "https://fhir.example.org/r4"
LISTED = (
    *("Patient", "Observation", "Condition", "Procedure", "FamilyMemberHistory", "Specimen", "Medication", "Group"),
    *("MedicationRequest", "MedicationStatement", "MedicationAdministration", "MedicationDispense"),
    *("RiskAssessment", "Device", "Provenance"),
)
_URN = re.compile(r'"reference":"(urn:uuid:[0-9a-f-]+)"')


def statement(
    *types: str,
    includes: Iterable[str] = (),
    reverse_includes: Iterable[str] = (),
    parameters: Iterable[str] = ("identifier",),
    batch: bool = False,
) -> Json:
    """A CapabilityStatement that lists these types, all with the same includes and parameters."""
    named = ["patient", "code", "_id", *parameters]
    resource = {
        "interaction": [{"code": code} for code in ("read", "search-type", "create", "update")],
        "updateCreate": False,
        "conditionalCreate": True,
        "searchInclude": list(includes),
        "searchRevInclude": list(reverse_includes),
        "searchParam": [{"name": name} for name in named],
    }
    rest = {
        "mode": "server",
        "interaction": [{"code": "transaction"}, *([{"code": "batch"}] if batch else [])],
        "resource": [{"type": name, **resource} for name in types or LISTED],
    }
    return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [rest]}


@dataclass
class Hospital:
    """The server.

    Attributes:
        metadata: Its CapabilityStatement; 404 without one.
        page_size: The most entries of a page.
        called: The base it gives in every fullUrl.
        refuses: Status by resource type, for each request about it.
        ignores: Search parameters that it does not apply.
        adds: Entries that every search of a type gives too, whatever was asked.
        before: Called with each request before it is looked at; may raise, as a crash would.
        after: Called with each request after it was carried out.
        answers: Changes the answer to a request, or to a part of a batch.
        answers_batch: Changes the answer to a batch.
        keeps_ids: A create keeps the id it was sent, where that is free.
        sent: Every request so far.
        clock: The moment of each change, counted up.
        turn: Who has it is answered: as at a server with transactions, one request is carried out at a time.
    """

    metadata: Json | None = field(default_factory=statement)
    page_size: int = 1000
    called: str = BASE
    refuses: dict[str, int] = field(default_factory=dict)
    ignores: set[str] = field(default_factory=set)
    adds: dict[str, list[Json]] = field(default_factory=dict)
    before: Callable[[Request], None] = lambda request: None
    after: Callable[[Request], None] = lambda request: None
    answers: Callable[[Request, Response], Response] = lambda request, answer: answer
    answers_batch: Callable[[bytes], bytes] = lambda body: body
    keeps_ids: bool = False
    sent: list[Request] = field(default_factory=list)
    held: dict[str, Json] = field(default_factory=dict)
    clock: int = 0
    turn: threading.Lock = field(default_factory=threading.Lock)

    def hold(self, *resources: Mapping[str, Any]) -> None:
        """Take in resources, or new versions of them."""
        for resource in resources:
            place = f"{resource['resourceType']}/{resource['id']}"
            version = int(self.held.get(place, {"meta": {"versionId": "0"}})["meta"]["versionId"]) + 1
            self.clock += 1
            meta = {**resource.get("meta", {}), "versionId": str(version), "lastUpdated": self.now()}
            self.held[place] = {**resource, "meta": meta}

    def now(self) -> str:
        """The server's time."""
        return f"2026-06-15T{8 + self.clock // 3600:02}:{self.clock // 60 % 60:02}:{self.clock % 60:02}.000+00:00"

    def all(self, kind: str) -> list[Json]:
        """Every resource of a type that it holds."""
        return [each for place, each in self.held.items() if place.startswith(f"{kind}/")]

    def asked(self) -> list[str]:
        """Method and path of every request, without the base and the query."""
        return [f"{each.method} {urlsplit(each.url).path.removeprefix('/r4').strip('/')}" for each in self.sent]

    def send(self, request: Request, *, seconds: float) -> Response:
        """One exchange."""
        self.sent.append(request)
        self.before(request)
        with self.turn:
            answer = self._answer(request)
        self.after(request)
        return Response(answer.status, answer.headers, answer.body, request.url)

    def _answer(self, request: Request) -> Response:
        return self.answers(request, self._known(request))

    def _known(self, request: Request) -> Response:
        address = urlsplit(request.url)
        kind, _, rest = address.path.removeprefix("/r4").strip("/").partition("/")
        if kind in self.refuses:
            return Response(self.refuses[kind], {}, b"")
        if kind == "metadata":
            return _ok(self.metadata) if self.metadata else Response(404, {}, b"")
        if not kind:
            bundle: Any = decode(request.body, where="bundle")
            return self._transaction(bundle) if bundle["type"] == "transaction" else self._batch(bundle)
        if request.method == "PUT":
            return self._put(request, f"{kind}/{rest}")
        if request.method == "POST" and not rest:
            return _ok(self._created(decode(request.body, where="body")), 201)
        if rest and rest != "_search":
            found = self.held.get(f"{kind}/{rest}")
            return _ok(found) if found else Response(404, {}, b"")
        asked = parse_qsl(request.body.decode() if rest else address.query, keep_blank_values=True)
        return self._search(kind, asked, request.url)

    def _search(self, kind: str, asked: list[tuple[str, str]], url: str) -> Response:
        matches = [
            each for each in self.all(kind) if all(_fits(each, *one) for one in asked if one[0] not in self.ignores)
        ]
        start = next((int(value) for name, value in asked if name == "_start"), 0)
        entries = [{"fullUrl": f"{self.called}/{kind}/{each['id']}", "resource": each} for each in matches]
        entries += [
            {"fullUrl": f"{self.called}/{place}", "resource": each, "search": {"mode": "include"}}
            for place, each in self.held.items()
            if any(_leads_to(each, match, link) for match in matches for name, link in asked if name == "_revinclude")
        ]
        entries += self.adds.get(kind, [])
        following = start + self.page_size
        link = [{"relation": "self", "url": url}]
        if following < len(entries):
            again = urlencode([*(each for each in asked if each[0] != "_start"), ("_start", following)])
            link.append({"relation": "next", "url": f"{BASE}/{kind}?{again}"})
        meta = {"lastUpdated": self.now()}
        page = entries[start:following]
        return _ok({"resourceType": "Bundle", "type": "searchset", "meta": meta, "link": link, "entry": page})

    def _put(self, request: Request, place: str) -> Response:
        match = next((value for name, value in request.headers.items() if name.lower() == "if-match"), "")
        known = self.held.get(place)
        if known is None:
            return Response(405, {}, b"")
        if match and match != f'W/"{known["meta"]["versionId"]}"':
            return Response(412, {}, b"")
        self.hold(decode(request.body, where="body"))  # type: ignore[arg-type]
        return _ok(self.held[place])

    def _created(self, resource: Any) -> Json:
        own = resource["id"] if self.keeps_ids else f"s{len(self.held) + 1}"
        self.hold({**resource, "id": own})
        return next(reversed(self.held.values()))

    def _batch(self, bundle: Any) -> Response:
        answers = []
        for entry in bundle["entry"]:
            answer = self._answer(Request("GET", f"{BASE}/{entry['request']['url']}"))
            resource = {"resource": decode(answer.body, where="part")} if answer.body else {}
            answers.append({**resource, "response": {"status": f"{answer.status} so"}})
        answer = _ok({"resourceType": "Bundle", "type": "batch-response", "entry": answers})
        return Response(answer.status, answer.headers, self.answers_batch(answer.body))

    def _transaction(self, bundle: Any) -> Response:
        places: dict[str, str] = {}
        answers = []
        for entry in bundle["entry"]:
            resource, condition = entry["resource"], entry["request"].get("ifNoneExist", "")
            text = _URN.sub(lambda found: f'"reference":"{places.get(found[1], found[1])}"', encode(resource).decode())
            kind = resource["resourceType"]
            known = [
                each for each in self.all(kind) if condition and all(_fits(each, *one) for one in parse_qsl(condition))
            ]
            stands = known[0] if known else self._created(decode(text.encode(), where="entry"))
            places[entry["fullUrl"]] = f"{kind}/{stands['id']}"
            place = f"{kind}/{stands['id']}/_history/{stands['meta']['versionId']}"
            answers.append({"response": {"status": "200" if known else "201", "location": place}})
        return _ok({"resourceType": "Bundle", "type": "transaction-response", "entry": answers})


def unreachable(request: Request) -> None:
    """The network is gone."""
    raise ServerError("no answer came", code="unreachable", may_retry=True)


def _ok(content: Any, status: int = 200) -> Response:
    return Response(status, {"content-type": "application/fhir+json"}, encode(content))


def _fits(resource: Json, name: str, value: str) -> bool:
    match name:
        case "patient" | "subject":
            subject = resource.get("subject") or resource.get("patient") or {}
            return bool(subject.get("reference", value).endswith(value))
        case "code" | "component-code" | "combo-code":
            parts = resource.get("component", ())
            coded = {"code": [resource], "component-code": parts, "combo-code": [resource, *parts]}
            return bool(_codes(coded[name]) & set(value.split(",")))
        case "_id":
            return resource["id"] in value.split(",")
        case "identifier":
            return value in {f"{each['system']}|{each['value']}" for each in resource.get("identifier", ())}
        case "_tag":
            return value in {f"{each['system']}|{each['code']}" for each in resource["meta"].get("tag", ())}
        case "_lastUpdated":
            return bool(resource["meta"]["lastUpdated"] >= value.removeprefix("ge"))
        case "status":
            return bool(resource.get("status") == value)
    return True


def _leads_to(resource: Json, match: Json, link: str) -> bool:
    kind, _, name = link.partition(":")
    if resource["resourceType"] != kind or name not in ("patient", "subject"):
        return False
    return _fits(resource, name, f"{match['resourceType']}/{match['id']}")


def _codes(coded: Iterable[Json]) -> set[str]:
    codes = [each.get("code", {}) for each in coded]
    return {f"{each.get('system')}|{each.get('code')}" for code in codes for each in code.get("coding", ())}
