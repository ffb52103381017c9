"""Where the peers differ from weir, and why weir is right. docs/differential.md has the details, under the same names."""

import codecs
import operator
import zlib
from dataclasses import dataclass

from wire import CLOSE, CONT, TEXT, mask

NOTHING = 0  # no Close came back
LIMIT = 16 << 20  # of a message, as weir and ws are configured
TAIL = b"\0\0\xff\xff"
STORED_Z = b"\0\1\0\xfe\xffZ"  # a block of one letter
# What zlib reports for streams that libdeflate may take.
RESERVED = ("invalid literal/length code", "invalid distance code", "too many length or distance symbols", "invalid bit length repeat")


class Facts:
    """What is special about a stream, as names. A reader that accepts any bytes finds them, up to the first Close."""

    def __init__(self, stream):
        self.names = set()
        self.deflate = stream.deflate
        self.inflater = None
        self.opcode = None  # of the message in progress
        self.coded = False
        self.utf8 = None
        self.ends = False  # with a Close
        data, at = stream.data, 0
        while at is not None and len(data) >= at + 2:
            at = self.read_frame(data, at)
        if not self.ends:
            self.names.add("stream without its end")

    def read_frame(self, data, at):
        """Where the next frame begins; None: the stream cannot be read further."""
        first, second = data[at], data[at + 1]
        length, width = second & 127, {126: 2, 127: 8}.get(second & 127, 0)
        at += 2 + width
        if width:
            length = self.read_length(int.from_bytes(data[at - width : at], "big"), width)
        key = data[at : at + 4] if second & 128 else b""
        at += len(key)
        payload = data[at : at + length]
        payload = mask(payload, key) if len(key) == 4 else payload
        whole = len(payload) == length
        self.take(first, payload, whole)
        return at + length if whole and first & 15 != CLOSE else None

    def read_length(self, length, width):
        if length < (126 if width == 2 else 65536):
            self.names.add("length not minimal")
        if length >> 63:
            self.names.add("length with its top bit")
        elif length > LIMIT:
            self.names.add("length over the limit")
        return length

    def take(self, first, payload, whole):
        opcode, fin, rsv1 = first & 15, first & 128, first & 64
        if opcode == CLOSE:
            self.ends = whole
            self.names |= {"close 1014"} if payload[:2] == b"\x03\xf6" else set()
        elif opcode > CLOSE:
            self.names |= {"control frame in a compressed message"} if self.coded else set()
        else:
            self.take_fragment(opcode, rsv1, payload, fin and whole)

    def take_fragment(self, opcode, rsv1, payload, last):
        if opcode != CONT:
            self.names |= {"message in a compressed message"} if self.coded else set()
            self.opcode, self.coded = opcode, bool(rsv1 and self.deflate)
            self.utf8 = codecs.getincrementaldecoder("utf-8")()
        if self.coded:
            payload = self.inflate(payload)
        if self.opcode == TEXT and not last:
            self.check_text(payload)
        if last and self.coded:
            self.end_coded()
        if last:
            self.opcode, self.coded = None, False

    def check_text(self, payload):
        try:
            self.utf8.decode(payload)
        except UnicodeDecodeError:
            self.names.add("text broken before its end")

    def inflate(self, payload):
        """What comes out; where a block is final, another stream may begin."""
        if self.inflater is None:
            self.inflater = zlib.decompressobj(-15)
        try:
            out = self.inflater.decompress(payload)
            while self.inflater.eof:
                self.names.add("final block")
                rest = self.inflater.unused_data
                self.inflater = zlib.decompressobj(-15)
                out += self.inflater.decompress(rest)
        except zlib.error as error:
            if self.deflate == "apart" and str(error).endswith(RESERVED):
                self.names.add("codes that DEFLATE reserves")
            return b""
        return out

    def end_coded(self):
        """A block has to end where the message does: then what follows the tail is read as a block."""
        try:
            probe = self.inflater.copy()
            if probe.decompress(TAIL) or probe.decompress(STORED_Z) != b"Z":
                self.names.add("compressed message without its end")
            self.inflater.decompress(TAIL)
        except zlib.error:
            self.names.add("compressed message without its end")
        if self.deflate == "apart":
            self.inflater = None


# ---- the list ----

ANY = None


@dataclass(frozen=True)
class Reason:
    """A class of disagreements: with whom, what the stream has, and the codes of both (ANY: any code that the remaining stream leads to)."""

    peer: str
    fact: str
    ours: object
    theirs: object
    garbles: bool = False  # the messages differ as well

    def applies(self, peer, facts, ours, theirs):
        alike = all(map(operator.eq, ours.messages, theirs.messages))
        return (self.peer == peer and self.fact in facts and (alike or self.garbles) and
                self.ours in (ANY, ours.code) and self.theirs in (ANY, theirs.code))


REASONS = (
    Reason("ws", "length not minimal", 1002, ANY),
    Reason("ws", "length with its top bit", 1002, 1009),
    Reason("ws", "text broken before its end", 1007, ANY),
    Reason("ws", "compressed message without its end", 1007, ANY),
    Reason("ws", "stream without its end", ANY, NOTHING),
    Reason("ws", "codes that DEFLATE reserves", ANY, 1007),
    Reason("wsproto", "close 1014", ANY, 1002),
    Reason("wsproto", "length over the limit", 1009, ANY),
    Reason("wsproto", "stream without its end", ANY, NOTHING),
    Reason("wsproto", "message in a compressed message", 1002, 1007),
    Reason("wsproto", "compressed message without its end", 1007, ANY),
    Reason("wsproto", "control frame in a compressed message", ANY, ANY, garbles=True),
    Reason("wsproto", "codes that DEFLATE reserves", ANY, 1007),
)


def explain(peer, stream, ours, theirs):
    """The name of the reason, or None."""
    facts = Facts(stream).names
    for reason in REASONS:
        if isinstance(theirs, type(ours)) and reason.applies(peer, facts, ours, theirs):
            return reason.fact
    return None
