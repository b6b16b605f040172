"""The lines of an export, piece by piece: plain files in ranges that begin and end with a line, packed ones whole."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Protocol

import msgspec

from adapter.bulk.export import ExportFile, Packing
from adapter.errors import ExportUnsound, InputUnreadable, SettingsInvalid
from adapter.fhir.entries import refuse_strangers

# The longest line that is read; a resource with an attachment has some megabytes.
LONGEST_LINE = 64 * 1024 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLOCK = 1024 * 1024
_HEAD = 1024
# Little is unpacked at once, for one block of zstd may grow thirtythousandfold.
_PACKED_BLOCK = 16 * 1024
# NDJSON of hospitals shrinks to a tenth or a thirtieth. What grows beyond this was made to fill a disk.
_MOST_GROWTH = 400
_ALWAYS_ALLOWED = 64 * 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class Range(msgspec.Struct, frozen=True):
    """The lines of one file that begin at ``start`` or later, and before ``stop``; packed files are one range."""

    file: int
    start: int
    stop: int


class TooLong(msgspec.Struct, frozen=True):
    """Stands for a line that is longer than any line that is read."""

    length: int


def ranges(files: Sequence[ExportFile], size: int) -> Iterator[Range]:
    """Divide the files into ranges of about this size, each of whole lines; a page is one: nothing of it is read."""
    for number, file in enumerate(files):
        if file.packing is not Packing.NONE:
            yield Range(number, 0, file.size)
            continue
        start = 0
        with open(file.path, "rb") as opened:
            most = file.size if _is_stranger(opened.read(_HEAD)) else size
            while start < file.size:
                stop = _line_end(opened, start + most) if start + most < file.size else file.size
                yield Range(number, start, stop)
                start = stop


def lines_of(file: ExportFile, part: Range, tell: Callable[[int], None]) -> Iterator[Sequence[bytes | TooLong]]:
    """The lines of a range, in batches, without the bytes that end them.

    Args:
        file: The file of the range.
        part: Which of its bytes.
        tell: Is told how many more bytes of the file, as it lies there, were read.

    Raises:
        ExportUnsound: The packed data are damaged, cut short, or grow beyond all measure.
    """
    with open(file.path, "rb") as opened:
        opened.seek(part.start)
        raw = _blocks(opened, part.stop - part.start, tell, _BLOCK if file.packing is Packing.NONE else _PACKED_BLOCK)
        yield from _lines(raw if file.packing is Packing.NONE else _unpacked(raw, file))


def _is_stranger(head: bytes) -> bool:
    try:
        refuse_strangers(head.removeprefix(BYTE_ORDER_MARK), "")
    except InputUnreadable:
        return True
    return False


def _line_end(opened: BinaryIO, position: int) -> int:
    """Where the line ends that the byte before this position belongs to; never more than a block of it is held."""
    opened.seek(position - 1)
    while (piece := opened.readline(_BLOCK)) and not piece.endswith(b"\n"):
        continue
    return opened.tell()


def _blocks(opened: BinaryIO, length: int, tell: Callable[[int], None], size: int) -> Iterator[bytes]:
    while length > 0 and (block := opened.read(min(size, length))):
        length -= len(block)
        yield block
        tell(len(block))


def _lines(blocks: Iterator[bytes]) -> Iterator[Sequence[bytes | TooLong]]:
    """Whole lines out of blocks; of a line beyond all bounds only its length is kept."""
    begun: list[bytes] = []
    length = 0
    for block in blocks:
        first, *more = block.split(b"\n")
        length += len(first)
        if length <= LONGEST_LINE:
            begun.append(first)
        if not more:
            continue
        *whole, last = more
        yield [_line(begun, length), *whole]
        begun, length = [last], len(last)
    if length:
        yield [_line(begun, length)]


def _line(parts: list[bytes], length: int) -> bytes | TooLong:
    return b"".join(parts) if length <= LONGEST_LINE else TooLong(length)


class _Unpacker(Protocol):
    """What zlib and zstandard have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end of one packed stream was reached."""

    @property
    def unused_data(self) -> bytes:
        """What came after it."""

    def decompress(self, data: bytes, /) -> bytes:
        """Unpack some more."""


def _unpacked(blocks: Iterator[bytes], file: ExportFile) -> Iterator[bytes]:
    """What was packed: one stream after the other, each to its very end."""
    left = max(_ALWAYS_ALLOWED, file.size * _MOST_GROWTH)
    new, error = _unpacker(file)
    unpacker: _Unpacker | None = None
    for block in blocks:
        while block:
            unpacker = unpacker or new()
            try:
                unpacked = unpacker.decompress(block)
            except error:
                raise ExportUnsound([f"{file.name}: the {file.packing} data are damaged"]) from None
            left -= len(unpacked)
            if left < 0:
                raise ExportUnsound(
                    [f"{file.name}: the {file.packing} data grow beyond {_MOST_GROWTH} times their size"]
                )
            yield unpacked
            block = unpacker.unused_data
            unpacker = None if unpacker.eof else unpacker
    if unpacker is not None:
        raise ExportUnsound([f"{file.name}: the {file.packing} data are cut short"])


def _unpacker(file: ExportFile) -> tuple[Callable[[], _Unpacker], type[Exception]]:
    if file.packing is Packing.GZIP:
        return (lambda: zlib.decompressobj(_GZIP)), zlib.error
    try:
        import zstandard
    except ImportError:
        what = "is packed by zstd; install osteo-fhir-adapter[zstd], or unpack it first"
        raise SettingsInvalid(f"{file.name}: {what}") from None
    return (lambda: zstandard.ZstdDecompressor().decompressobj()), zstandard.ZstdError
