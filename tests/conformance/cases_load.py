"""Groups 9, 10, 12 and 13: sizes, many round trips, and permessage-deflate."""

from dataclasses import dataclass
from functools import partial

import corpus
from model import Case, Exchange, Send, fragments, split
from wire import BINARY, TEXT, Frame

KIB, MIB = 1 << 10, 1 << 20
BYTES = {TEXT: b"*", BINARY: b"\xfe"}
NAMES = {TEXT: "text", BINARY: "binary"}


def echo(number, what, opcode, size, make, pieces="once"):
    payload = BYTES[opcode] * size
    return Case(number, f"{size} bytes of {NAMES[opcode]}{what}", (Send(make(payload), pieces),), ((opcode, payload),),
                weight=1 + size // MIB)


def in_fragments(opcode, size, payload):
    """The last fragment is empty when the size divides."""
    return fragments(opcode, *split(payload, size), *([b""] if len(payload) % size == 0 else []))


def limits():
    for number, opcode in ((1, TEXT), (2, BINARY)):
        for n, size in enumerate((64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB), 1):
            yield echo(f"9.{number}.{n}", " in one frame", opcode, size, lambda payload, opcode=opcode: (Frame(opcode, payload),))
        for n in range(9):
            size = 64 << 2 * n if n < 8 else 4 * MIB
            yield echo(f"9.{number + 2}.{n + 1}", f" in fragments of {size}", opcode, 4 * MIB, partial(in_fragments, opcode, size))
        for n in range(6):
            yield echo(f"9.{number + 4}.{n + 1}", f" in chops of {64 << n}", opcode, MIB,
                       lambda payload, opcode=opcode: (Frame(opcode, payload),), 64 << n)
        for n, size in enumerate((0, 16, 64, 256, 1024, 4096), 1):
            yield Case(f"9.{number + 6}.{n}", f"1000 round trips of {size} bytes of {NAMES[opcode]}",
                       (Exchange(partial(repeat, opcode, size, 1000)),), weight=4)


def repeat(opcode, size, count):
    for _ in range(count):
        yield opcode, BYTES[opcode] * size


def auto_fragmented():
    yield echo("10.1.1", " in fragments of 1300", TEXT, 65536, lambda payload: fragments(TEXT, *split(payload, 1300)))


@dataclass(frozen=True)
class Deflate:
    """What we ask of the peer's compressor: a list of alternatives, each (no context takeover, window bits or None)."""

    asked: tuple = ((False, None),)
    option: str = "--deflate=takeover,level=1"  # of `weir echo`: what weir does by default; the compressed size is not judged
    apart: bool = False  # as a server we answer that we keep no context, asked or not


APART = Deflate(((True, None),), "--deflate", True)

SIZES = tuple((size, 0) for size in (16, 64, 256, KIB, 4 * KIB, 8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB)) + tuple(
    (size, 256) for size in (8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB)) + tuple(
    (128 * KIB, fragment) for fragment in (1024, 4096, 32768))

SETS = (("json", TEXT), ("bitmap", BINARY), ("german", BINARY), ("html", TEXT), ("pdf", BINARY))

ASKED = (((False, None),), ((True, None),), ((False, 9),), ((False, 15),), ((True, 9),), ((True, 15),),
         ((True, 9), (True, None), (False, None)))


def stream(name, opcode, size, full):
    """1000 messages; in the short form 4 to 250, as many as make up 256 KiB."""
    count = 1000 if full else max(4, min(250, 256 * KIB // size))
    for payload in corpus.slices(name, size, count):
        yield opcode, payload


def compression(full):
    groups = [(f"12.{n}", name, opcode, Deflate()) for n, (name, opcode) in enumerate(SETS, 1)]
    groups += [(f"13.{n}", "json", TEXT, Deflate(asked)) for n, asked in enumerate(ASKED, 1)]
    for prefix, name, opcode, deflate in groups:
        for n, (size, fragment) in enumerate(SIZES, 1):
            ops = (Exchange(partial(stream, name, opcode, size, full), fragment, True),)
            yield Case(f"{prefix}.{n}", f"{name}: messages of {size}, fragments of {fragment or 'no size'}, {deflate.asked}", ops,
                       deflate=deflate, weight=4)


def cases(full):
    yield from limits()
    yield from auto_fragmented()
    yield from compression(full)
