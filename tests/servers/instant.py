"""A FHIR server that answers from bytes made beforehand, in a process of its own: what is left is our own time.

``python -m tests.servers.instant PORT [--no-batch] [--milliseconds N] [--patients N]``. Every patient is in the same
state, under ids of her own; there are as many as said. It answers at once, or after so many milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import re

from adapter.fhir.decoding import encode
from tests.job.building import journey
from tests.job.hospital import LISTED, statement

_START = re.compile(rb"[?&]_start=(\d+)")
_PAGE = 200
_PATIENT = re.compile(rb"Patient(?:%2F|/)([A-Za-z0-9.-]+)")
_LENGTH = re.compile(rb"(?i)content-length: (\d+)")
_ENTRY = re.compile(rb'"fullUrl":"[^"]+","resource":\{"resourceType":"(\w+)"')
_ASKED = re.compile(rb'"url":"([^"]+)"')
_INCLUDES = ("Observation:specimen", "Observation:has-member", "Observation:derived-from")
_META = {"versionId": "1", "lastUpdated": "2026-06-03T00:00:00Z"}


class Answers:
    """What is answered to each request."""

    def __init__(self, base: str, *, takes_batches: bool, patients: int) -> None:
        self._base, self._patients = base, patients
        self._metadata = encode(statement(includes=_INCLUDES, batch=takes_batches))
        self._pages = {kind: _page(base, kind) for kind in LISTED}
        [self._person] = [encode({**each, "meta": _META}) for each in journey() if each["resourceType"] == "Patient"]
        self._created = 0

    def to(self, path: bytes, body: bytes) -> tuple[int, bytes]:
        """Status and body."""
        place = path.partition(b"?")[0].removeprefix(b"/fhir").strip(b"/")
        if place == b"metadata":
            return 200, self._metadata
        if not place:
            return 200, self._batch(body) if b'"batch"' in body[:100] else self._transaction(body)
        if place == b"Patient":
            return 200, self._listed(path)
        found = _PATIENT.search(path) or _PATIENT.search(body)
        patient = found[1] if found else b""
        if place.startswith(b"Patient/"):
            return 200, self._person.replace(b"p-01", patient)
        kind = place.partition(b"/")[0].decode()
        if not found or kind not in self._pages:
            return 200, b'{"resourceType":"Bundle","type":"searchset","entry":[]}'
        return 200, self._pages[kind].replace(b"Patient/p-01", b"Patient/" + patient).replace(b"@ID@", patient)

    def _listed(self, path: bytes) -> bytes:
        """One page of the list of all patients."""
        start = int(found[1]) if (found := _START.search(path)) else 0
        entries = [{"resource": {"resourceType": "Patient", "id": f"n{each}"}} for each in range(start, start + _PAGE)]
        following = f"{self._base}/Patient?_start={start + _PAGE}"
        link = [{"relation": "next", "url": following}] if start + _PAGE < self._patients else []
        known = entries[: self._patients - start]
        return encode({"resourceType": "Bundle", "type": "searchset", "meta": _META, "link": link, "entry": known})

    def _batch(self, body: bytes) -> bytes:
        parts = [self.to(b"/fhir/" + path, b"") for path in _ASKED.findall(body)]
        entries = b",".join(b'{"response":{"status":"%d"},"resource":%s}' % part for part in parts)
        return b'{"resourceType":"Bundle","type":"batch-response","entry":[' + entries + b"]}"

    def _transaction(self, body: bytes) -> bytes:
        kinds = _ENTRY.findall(body)
        first = self._created
        self._created += len(kinds)
        places = [b"%s/s%d/_history/1" % (kind, number) for number, kind in enumerate(kinds, first)]
        entries = b",".join(b'{"response":{"status":"201 Created","location":"%s"}}' % place for place in places)
        return b'{"resourceType":"Bundle","type":"transaction-response","entry":[' + entries + b"]}"


class _Connection(asyncio.Protocol):
    def __init__(self, answers: Answers, seconds: float) -> None:
        self._answers, self._came, self._seconds = answers, b"", seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        while (end := self._came.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._came[:end])
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._came) < whole:
                return
            status, body = self._answers.to(self._came.split(b" ", 2)[1], self._came[end + 4 : whole])
            self._came = self._came[whole:]
            head = b"HTTP/1.1 %d OK\r\nContent-Type: application/fhir+json\r\nContent-Length: %d\r\n\r\n"
            assert isinstance(self._transport, asyncio.Transport)
            answer = head % (status, len(body)) + body
            if self._seconds:
                asyncio.get_running_loop().call_later(self._seconds, self._transport.write, answer)
            else:
                self._transport.write(answer)


def _page(base: str, kind: str) -> bytes:
    """Every resource of a type, with the samples that results refer to."""
    kinds = {kind, "Specimen"} if kind == "Observation" else {kind}
    entries = [
        {"fullUrl": f"{base}/{kind}/{each['id']}", "resource": each}
        for each in (
            {
                **found,
                "id": found["id"] if found["resourceType"] == "Specimen" else f"{found['id']}-@ID@",
                "meta": _META,
            }
            for found in journey()
            if found["resourceType"] in kinds
        )
    ]
    return encode({"resourceType": "Bundle", "type": "searchset", "entry": entries})


async def _serve(chosen: argparse.Namespace) -> None:
    base = f"http://127.0.0.1:{chosen.port}/fhir"
    answers = Answers(base, takes_batches=not chosen.no_batch, patients=chosen.patients)
    seconds = chosen.milliseconds / 1000
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(answers, seconds), "127.0.0.1", chosen.port)
    await server.serve_forever()


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--no-batch", action="store_true")
    parser.add_argument("--milliseconds", type=float, default=0)
    parser.add_argument("--patients", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(_serve(_chosen()))
