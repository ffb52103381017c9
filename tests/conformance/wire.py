"""Frames of RFC 6455 for the conformance suite: an encoder that can break every rule, and a decoder that accepts no violation.

It shares nothing with the library: a common mistake of both would not be noticed."""

import random
from dataclasses import dataclass

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
NAMES = {CONT: "continuation", TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}


def mask(payload, key):
    """The payload combined with the repeated key: as one big number, which is fast for mebibytes."""
    if not payload:
        return b""
    size = len(payload)
    keys = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(keys, "little")).to_bytes(size, "little")


@dataclass(frozen=True)
class Frame:
    """A frame as it is to stand on the wire, rules or not."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    width: int | None = None  # bytes of extended length: 0, 2 or 8; None: the shortest form
    length: int | None = None  # what the header says; None: the truth
    masked: bool | None = None  # None: as the role demands
    key: bytes | None = None  # None: a random one
    cut: int | None = None  # only so many bytes of it are sent


_keys = random.Random(6455)


def encode(frame, masking):
    """The bytes of a frame."""
    length = len(frame.payload) if frame.length is None else frame.length
    width = frame.width
    if width is None:
        width = 0 if length < 126 else 2 if length < 65536 else 8
    masked = masking if frame.masked is None else frame.masked
    out = bytearray([frame.fin << 7 | frame.rsv << 4 | frame.opcode])
    out.append(masked << 7 | {0: length, 2: 126, 8: 127}[width])
    out += length.to_bytes(width, "big") if width else b""
    payload = frame.payload
    if masked:
        key = _keys.randbytes(4) if frame.key is None else frame.key
        out += key
        payload = mask(payload, key)
    out += payload
    return bytes(out[: frame.cut])


class Broken(Exception):
    """The peer broke a rule."""


class Decoder:
    """Bytes of the peer in, frames out. masked: whether the peer has to mask; rsv: reserved bits that the first frame of a message may have."""

    def __init__(self, masked, rsv=0):
        self.masked = masked
        self.rsv = rsv
        self.buffer = bytearray()
        self.wanted = 2  # bytes that are needed to go on
        self.message = None  # opcode of the message in progress

    def feed(self, data):
        self.buffer += data

    def next(self):
        """(opcode, fin, rsv, payload), or None when more is needed."""
        if len(self.buffer) < self.wanted:
            return None
        head = self.buffer
        length = head[1] & 0x7F
        width = {126: 2, 127: 8}.get(length, 0)
        at = 2 + width + (4 if self.masked else 0)
        if len(head) < at:
            self.wanted = at
            return None
        self.check_head(head[0], head[1], width)
        if width:
            length = int.from_bytes(head[2 : 2 + width], "big")
            if length < (126 if width == 2 else 65536):
                raise Broken(f"length {length} in {width} bytes")
        if len(head) < at + length:
            self.wanted = at + length
            return None
        self.wanted = 2
        payload = bytes(memoryview(head)[at : at + length])
        if self.masked:
            payload = mask(payload, bytes(head[at - 4 : at]))
        first = head[0]
        del self.buffer[: at + length]
        return first & 15, bool(first & 0x80), first >> 4 & 7, payload

    def check_head(self, first, second, width):
        opcode, fin = first & 15, first & 0x80
        if opcode not in NAMES:
            raise Broken(f"reserved opcode {opcode}")
        if bool(second & 0x80) != self.masked:
            raise Broken("mask bit")
        if (first >> 4 & 7) & ~(self.rsv if opcode in (TEXT, BINARY) else 0):
            raise Broken("reserved bits")
        if opcode >= 8 and (not fin or width):
            raise Broken("control frame fragmented or too long")
        if opcode == CONT and self.message is None:
            raise Broken("continuation of nothing")
        if opcode in (TEXT, BINARY) and self.message is not None:
            raise Broken("message inside a message")

    def note(self, opcode, fin):
        """Records that a data frame was taken, to check the order of fragments."""
        if opcode < 8:
            self.message = None if fin else (self.message if opcode == CONT else opcode)
