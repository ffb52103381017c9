"""What must hold beyond the public suite: lengths, masks, codes, limits, the first impossible byte, cuts and segments, compression, negotiation, TCP."""

import codecs
import random
import zlib
from dataclasses import replace

import cases_basic
import cases_utf8
from cases_load import APART, Deflate
from model import (Answers, AwaitEnd, Case, Closes, Drops, Exchange, Fails, InParts, Pause, Refuses, Reset, Send, Shut, Vanishes, Waits, binary, close,
                   encode_size, fragments, more, ping, pong, split, text)
from wire import BINARY, CONT, PONG, TEXT, Frame

MIB = 1 << 20
LIMIT = 16 * MIB
HELLO = (TEXT, b"Hello")
SERVER, CLIENT = ("server",), ("client",)
SMALL = ("--max-frame", "1000", "--max-message", "2000")


def number(prefix, table):
    """Gives the cases of a table their numbers."""
    for n, case in enumerate(table, 1):
        yield replace(case, id=f"{prefix}.{n}")


def fails(what, *frames, codes=(1002,), expect=(), **kind):
    return Case("", what, (Send(frames),), expect, Fails(codes), **kind)


def lengths():
    """Lengths that are not in their shortest form, or far too large."""
    for width, sizes in ((2, (0, 5, 125)), (8, (0, 125, 126, 65535))):
        for size in sizes:
            yield fails(f"length {size} in {width} bytes", binary(bytes(size), width=width))
    yield fails("ping of 5 bytes, length in 2", ping(b"Hello", width=2))
    for length, codes in ((1 << 63, (1002,)), ((1 << 64) - 1, (1002,)), (1 << 62, (1009,)), ((1 << 63) - 1, (1009,))):
        yield fails(f"length {length:#x}", binary(length=length), codes=codes)
    yield Case("", "lengths at the borders, shortest form",
               (Send(tuple(binary(bytes(size)) for size in (125, 126, 65535, 65536))),),
               tuple((BINARY, bytes(size)) for size in (125, 126, 65535, 65536)))


def limits():
    """The size limits, before a byte of the payload is there."""
    yield fails("a header that promises one byte over the limit", binary(length=LIMIT + 1, cut=10), codes=(1009,))
    over = (Frame(BINARY, bytes(LIMIT - 1), fin=False), more(b"ab", cut=6))
    yield fails("fragments one byte over the limit", *over, codes=(1009,), weight=16)
    small = {"roles": SERVER, "options": SMALL}
    yield fails("a frame one byte over the frame limit", binary(length=1001, cut=4), codes=(1009,), **small)
    yield Case("", "frames and message of exactly the limits", (Send(fragments(BINARY, bytes(1000), bytes(1000))),),
               ((BINARY, bytes(2000)),), **small)
    yield fails("a message one byte over its limit", *fragments(BINARY, bytes(1000), bytes(1000), b"a"), codes=(1009,), **small)
    parts = fragments(BINARY, bytes(1000), bytes(999), bytes(2))
    yield fails("the same, refused at the header of its last fragment", *parts[:2], replace(parts[2], cut=6), codes=(1009,), **small)
    yield Case("", "limits count each message anew", (Send((text(b"a" * 999), *fragments(TEXT, b"b" * 1000, b"c" * 1000)) * 3),),
               ((TEXT, b"a" * 999), (TEXT, b"b" * 1000 + b"c" * 1000)) * 3, **small)
    yield Case("", "control frames do not count", (Send((text(b"a" * 1000, fin=False), ping(bytes(125)), more(b"b" * 1000))),),
               ((PONG, bytes(125)), (TEXT, b"a" * 1000 + b"b" * 1000)), **small)


def masks():
    for frame in (text(), binary(bytes(200)), ping(b"Hello"), close(1000)):
        yield fails(f"opcode {frame.opcode} without a mask from a client", replace(frame, masked=False), roles=SERVER)
        yield fails("the same, its first two bytes alone", replace(frame, masked=False, cut=2), roles=SERVER)
        yield fails(f"opcode {frame.opcode} masked by a server", replace(frame, masked=True), roles=CLIENT)
        yield fails("the same, its first two bytes alone", replace(frame, masked=True, cut=2), roles=CLIENT)
    varied = bytes(33 + n % 90 for n in range(300))
    for key in ("00000000", "ffffffff", "00ff00ff", "01020304"):
        yield Case("", f"mask key {key}", (Send((text(varied, key=bytes.fromhex(key)), ping(b"abc", key=bytes.fromhex(key)))),),
                   ((TEXT, varied), (PONG, b"abc")), roles=SERVER)
    for ends in ((1,), (2, 3), (5, 10, 15), (7, 8, 250)):
        yield Case("", f"a frame in parts that end after {ends} bytes", (InParts(text(varied), ends, (Pause(0.05),) * len(ends)),),
                   ((TEXT, varied),))


def codes():
    for code in (1001, 1010, 1012, 1013, 1014, 3000, 4000, 4999):
        yield Case("", f"close code {code} with a reason", (Send((close(code, "gr\u00fc\u00dfe".encode()),)),), (), Answers((code,)))
    for code in (1, 255, 1004, 1005, 1006, 1015, 1016, 1500, 1999, 2000, 2500, 2999, 5000, 5001, 9999, 65535):
        yield fails(f"close code {code}", close(code))
    for payload in (b"", b"x", b"\x03"):
        end = Fails() if payload else Answers((None,))
        yield Case("", f"close of {len(payload)} bytes", (Send((Frame(close().opcode, payload),)),), (), end)
    for reason in ("\u20ac" * 41, "\U0001f600" * 30):
        yield Case("", "close reason of wide characters", (Send((close(1000, reason.encode()),)),), (), Answers((1000,)))
    for reason in (b"\xc3", b"good\xe2\x82", b"\xed\xa0\x80", b"\xff", b"\xc0\xaf"):
        yield fails(f"close reason {reason.hex()}", close(1000, reason), codes=(1007, 1002))


def after_close():
    """What follows a Close is not read."""
    late = (("text", text()), ("ping", ping(b"late")), ("continuation of nothing", more(b"x")), ("reserved bits", text(rsv=7)),
            ("reserved opcode", Frame(5)), ("length not minimal", text(width=2)), ("text that is not UTF-8", text(b"\xff")),
            ("close with a bad code", close(1005)), ("ping that is too long", ping(bytes(126))), ("half a frame", text(cut=3)))
    for name, frame in late:
        for ops in ((Send((close(1000), frame)),), (Send((close(1000),)), Send((frame,)))):
            yield Case("", f"{name} after close, writes: {len(ops)}", ops, (), Answers((1000,)))
    yield Case("", "close inside a message", (Send((text(b"one", fin=False), ping(b"p"), close(1001))),), ((PONG, b"p"),), Answers((1001,)))
    yield Case("", "messages before close come back first", (Send((text(), text(b"two"), ping(b"p"), close(1000))),),
               (HELLO, (TEXT, b"two"), (PONG, b"p")), Answers((1000,)))


def first_impossible_byte(payload):
    """How many bytes of invalid text are needed to notice it."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for at in range(len(payload)):
        try:
            decoder.decode(payload[at : at + 1])
        except UnicodeDecodeError:
            return at + 1
    return None


def first_byte():
    """The violation is answered when its first byte is there: nothing follows."""
    heads = [(text(rsv=rsv), 1, 1002) for rsv in (1, 2, 3, 4, 5, 6, 7)]
    heads += [(Frame(opcode), 1, 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)]
    heads += [(more(b"x", fin=fin), 1, 1002) for fin in (False, True)]
    heads += [(replace(frame, fin=False), 1, 1002) for frame in (ping(), pong(), close())]
    heads += [(replace(frame, rsv=4), 1, 1002) for frame in (ping(), pong(), close())]
    heads += [(replace(frame, payload=bytes(126)), 2, 1002) for frame in (ping(), pong(), close())]
    heads += [(ping(bytes(65536)), 2, 1002), (Frame(close().opcode, b"x"), 2, 1002)]
    heads += [(binary(bytes(5), width=2), 4, 1002), (binary(bytes(5), width=8), 8, 1002), (binary(length=65535, width=8), 8, 1002)]
    heads += [(binary(length=1 << 63), 3, 1002), (binary(length=1 << 62), 3, 1009), (binary(length=LIMIT + 256, width=8), 9, 1009)]
    for frame, cut, code in heads:
        yield fails(f"the first {cut} bytes of {frame.fin:d}.{frame.rsv}.{frame.opcode}, length {frame.length or len(frame.payload)}",
                    replace(frame, cut=cut), codes=(code,))
    opening = text(b"one", fin=False)
    for frame in (text(), binary(), text(fin=False)):
        yield fails(f"a message inside a message, its first byte {frame.opcode}", opening, replace(frame, cut=1))
    yield fails("reserved bits on a continuation, its first byte", opening, more(rsv=4, cut=1))
    for payloads in cases_utf8.TABLES.values():
        for payload in payloads:
            size = first_impossible_byte(payload)
            if size is not None:
                long = payload + b"x" * 2000
                yield Case("", f"text {payload[:size].hex()}, and the rest later", (InParts(text(long), (size,), (AwaitEnd(),)),), (), Fails((1007,)))
    for payload in (b"\x00", b"\x02", b"\x14", b"\xff", b"\x03\xe7", b"\x03\xec", b"\x03\xed", b"\x03\xee", b"\x03\xf7", b"\x0b\xb7", b"\x13\x88"):
        frame = Frame(close().opcode, payload + b"reason"[: 6])
        yield Case("", f"close of {payload.hex()}, and the rest later", (InParts(frame, (len(payload),), (AwaitEnd(),)),), (), Fails())
    yield Case("", "close reason that is not UTF-8, and the rest later",
               (InParts(close(1000, b"ok\xff" + b"x" * 50), (5,), (AwaitEnd(),)),), (), Fails((1007, 1002)))


def small_scripts():
    """The cases of groups 1 to 7 that are one small write."""
    for case in (*cases_basic.cases(), *cases_utf8.cases()):
        if len(case.ops) == 1 and isinstance(case.ops[0], Send) and encode_size(case.ops[0].frames) <= 500:
            yield replace(case, lenient=(), informational=False), case.ops[0].frames


def byte_by_byte():
    for case, frames in small_scripts():
        if case.ops[0].pieces != 1:
            yield replace(case, id=f"octets.{case.id}", what=f"byte by byte: {case.what}", ops=(Send(frames, 1),))


def one_segment():
    """Ten frames and more arrive in one segment: the valid ones before a violation are answered."""
    nine = tuple(text(b"number %d" % n) for n in range(9))
    echoes = tuple((TEXT, frame.payload) for frame in nine)
    for case, frames in small_scripts():
        yield replace(case, id=f"segment.{case.id}", what=f"behind nine texts in one segment: {case.what}", ops=(Send(nine + frames),),
                      expect=echoes + case.expect)


def with_the_handshake():
    for case, frames in small_scripts():
        yield replace(case, id=f"early.{case.id}", what=f"in the segment of the handshake: {case.what}", ops=(Send(frames),), early=True)


def stream_ends():
    """TCP: half-close, resets and silence in each state."""
    half = text(bytes(100), cut=50)
    yield Case("", "our half ends at once", (Shut(),), (), Drops())
    yield Case("", "our half ends after a message", (Send((text(),)), Shut()), (HELLO,), Drops(), ((),))
    yield Case("", "our half ends inside a header", (Send((text(bytes(200), cut=3),)), Shut()), (), Drops())
    yield Case("", "our half ends inside a payload", (Send((half,)), Shut()), (), Drops())
    yield Case("", "our half ends inside a message", (Send((text(b"one", fin=False),)), Shut()), (), Drops())
    yield Case("", "our half ends behind our close", (Send((close(1000),)), Shut()), (), Answers((1000,)))
    yield Case("", "our half ends behind a violation", (Send((text(rsv=1),)), Shut()), (), Fails())
    for what, frames in (("at once", ()), ("inside a payload", (half,)), ("after a message", (text(),)), ("after our close", (close(1000),)),
                         ("after a violation", (text(rsv=1),)), ("inside a message", (text(b"one", fin=False),))):
        ops = (Send(frames),) if frames else ()
        yield Case("", f"reset {what}", (*ops, Reset()), (), Vanishes())
    yield Case("", "a violation, and we say nothing more", (Send((text(rsv=1),)),), (), Fails(), mute=True)
    yield Case("", "a client waits for the server to end TCP, but not for ever", (Send((text(),)),), (HELLO,), Waits(), roles=CLIENT)


def opening():
    """Invalid opening handshakes: a server refuses them, a client ends the connection and sends no frame."""
    for name, value, status in (
            ("Sec-WebSocket-Version", None, 400), ("Sec-WebSocket-Version", "12", 426), ("Sec-WebSocket-Version", "14", 426),
            ("Sec-WebSocket-Version", "013", 426), ("Sec-WebSocket-Key", None, 400), ("Sec-WebSocket-Key", "", 400),
            ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAA", 400), ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAAAA", 400),
            ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAA!A==", 400), ("Host", None, 400), ("Upgrade", None, 426), ("Upgrade", "h2c", 426),
            ("Connection", None, 426), ("Connection", "close", 426)):
        yield Case("", f"a server is asked with {name}: {value}", (), (), Refuses(status), roles=SERVER, fields=((name, value),))
    for name, value in (
            ("Sec-WebSocket-Accept", None), ("Sec-WebSocket-Accept", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), ("Upgrade", None), ("Upgrade", "h2c"),
            ("Connection", None), ("Connection", "close"), ("Sec-WebSocket-Protocol", "unasked")):
        yield Case("", f"a client is answered with {name}: {value}", (), (), Drops(), roles=CLIENT, fields=((name, value),))


def negotiation():
    for offer in ("x-unknown", "foo, bar; baz=1", 'x-quoted; a="b"', "x-one;a;b;c=1, x-two"):
        yield Case("", f"a server ignores {offer}", (Send((text(),)),), (HELLO,), roles=SERVER, offer=offer, takes="")
    for offer in ("x-unknown", "x-unknown; a=1", "foo, bar"):
        yield Case("", f"a client that did not ask is given {offer}", (), (), Drops(), roles=CLIENT, offer=offer)
    yield Case("", "a client that did not ask is given permessage-deflate", (), (), Drops(), roles=CLIENT, offer="permessage-deflate")


PMD = "permessage-deflate"
GOOD_OFFERS = ("", "client_max_window_bits", "client_max_window_bits=10", "client_max_window_bits=9", "client_max_window_bits=8",
               "server_max_window_bits=15", "server_max_window_bits=9", "server_max_window_bits=8",
               "server_no_context_takeover; client_no_context_takeover", "server_no_context_takeover; server_max_window_bits=8",
               "client_no_context_takeover; client_max_window_bits=8; server_max_window_bits=10")
GOOD_ANSWERS = ("", "client_max_window_bits=15", "client_max_window_bits=10", "client_max_window_bits=9", "client_max_window_bits=8",
                "server_max_window_bits=9", "server_max_window_bits=8", "server_no_context_takeover; client_no_context_takeover",
                "client_no_context_takeover; client_max_window_bits=8", "server_max_window_bits=8; client_max_window_bits=8")
BAD_PARAMETERS = ("bogus", "server_no_context_takeover=1", "client_no_context_takeover; client_no_context_takeover",
                  "server_max_window_bits", "server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=08",
                  "server_max_window_bits=1e1", 'server_max_window_bits="9"', "client_max_window_bits=7", "client_max_window_bits=16",
                  'client_max_window_bits="10"', "client_max_window_bits=9; client_max_window_bits=9")
BAD_ANSWERS = BAD_PARAMETERS + ("client_max_window_bits",)


def with_parameters(text):
    return f"{PMD}; {text}" if text else PMD


def repetitive_messages():
    """Messages for a compressor with any window: what a wide one would refer back to lies 200 to 3000 bytes behind,
    in the message before and in the same one."""
    noise = random.Random(7692)
    for distance in (200, 257, 300, 513, 700, 1100, 3000):
        block = noise.randbytes(distance)
        yield BINARY, block
        yield BINARY, block[:250] + block + block[:100]


def deflate_negotiation():
    def case(what, offer, **kind):
        return Case("", what, (Exchange(repetitive_messages, compress=True),), offer=offer, deflate=Deflate(), **kind)

    for offer in map(with_parameters, GOOD_OFFERS):
        yield case(f"a server takes {offer}", offer, roles=SERVER, takes=offer)
    yield case("a server takes what stands behind an unknown extension", f"x-unknown, {PMD}", roles=SERVER, takes=PMD)
    for offer in map(with_parameters, BAD_PARAMETERS):
        yield Case("", f"a server declines {offer}", (Send((text(),)),), (HELLO,), roles=SERVER, offer=offer, deflate=Deflate(), takes="")
        yield case(f"a server goes on to what follows {offer}", f"{offer}, {PMD}", roles=SERVER, takes=PMD)
    for answer in map(with_parameters, GOOD_ANSWERS):
        yield case(f"a client is given {answer}", answer, roles=CLIENT)
    for answer in map(with_parameters, BAD_ANSWERS):
        yield Case("", f"a client does not take {answer}", (), (), Drops(), roles=CLIENT, offer=answer, deflate=Deflate())
    yield Case("", "a client is given it twice", (), (), Drops(), roles=CLIENT, offer=f"{PMD}, {PMD}", deflate=Deflate())


HELLO_DEFLATED = bytes.fromhex("f248cdc9c90700")


def bomb(size):
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (deflater.compress(bytes(size)) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def final_block(payload):
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflater.compress(payload) + deflater.flush(zlib.Z_FINISH)


def refer_back(payload):
    """A message twice, the second by what the first was."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return [(deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4] for _ in range(2)]


def compressed():
    """RSV1 where it may and may not stand, streams of RFC 7692 7.2.3, and data that does not inflate."""

    def case(what, *frames, expect=(), end=Closes(), deflate=APART):
        return Case("", what, (Send(frames),), expect, end, deflate=deflate)

    squeezed = text(HELLO_DEFLATED, rsv=4)
    yield case("a compressed message", squeezed, expect=(HELLO,))
    yield case("a compressed message in fragments, a ping between", text(HELLO_DEFLATED[:3], rsv=4, fin=False), ping(b"p"), more(HELLO_DEFLATED[3:]),
               expect=((PONG, b"p"), HELLO))
    yield case("a compressed message in fragments of one byte",
               *(replace(frame, rsv=0 if n else 4) for n, frame in enumerate(fragments(TEXT, *split(HELLO_DEFLATED, 1)))), expect=(HELLO,))
    yield case("a message that is not compressed", text(), expect=(HELLO,))
    yield case("an empty compressed message", text(b"\0", rsv=4), expect=((TEXT, b""),))
    yield case("a stored block", text(bytes.fromhex("000500faff48656c6c6f00"), rsv=4), expect=(HELLO,))
    yield case("a final block", text(bytes.fromhex("f348cdc9c9070000"), rsv=4), expect=(HELLO,))
    yield case("two blocks", text(bytes.fromhex("f248050000 00ffffcac9c90700"), rsv=4), expect=(HELLO,))
    yield case("RSV1 on a continuation", text(HELLO_DEFLATED[:3], rsv=4, fin=False), more(HELLO_DEFLATED[3:], rsv=4), end=Fails())
    for frame in (ping(b"x"), pong(), close(1000)):
        yield case(f"RSV1 on opcode {frame.opcode}", replace(frame, rsv=4), end=Fails())
    for rsv in (1, 2, 3, 5, 6, 7):
        yield case(f"reserved bits {rsv}", replace(squeezed, rsv=rsv), end=Fails())
    yield case("garbage", binary(b"\xff" * 20, rsv=4), end=Fails((1007,)))
    yield case("a stored block with a wrong check", binary(bytes.fromhex("000500fafe48656c6c6f00"), rsv=4), end=Fails((1007,)))
    yield case("a stream that ends inside a block", binary(bytes.fromhex("000500faff4865"), rsv=4), end=Fails((1007,)))
    yield case("a stream that ends inside a block of codes", binary(HELLO_DEFLATED[:4], rsv=4), end=Fails((1007,)))
    for stream in ("010900f6ff", "010a00f5ff00", "014901b6fe", "000300fcff616263010900f6ff"):
        yield case(f"a final block that lacks bytes: {stream}", binary(bytes.fromhex(stream), rsv=4), end=Fails((1007,)))
    for first in (b"\xff" * 20, bytes.fromhex("000500fafe")):
        yield case(f"garbage in the first fragment, and no other: {first.hex()}", binary(first, rsv=4, fin=False), end=Fails((1007,)))
    yield case("compressed text that is not UTF-8 in the first fragment, and no other", text(bytes.fromhex("000100feffff"), rsv=4, fin=False), end=Fails((1007,)))
    yield case("two final blocks", text(final_block(b"Hel") + final_block(b"lo") + b"\0", rsv=4), expect=(HELLO,))
    yield case("a final block in fragments", text(final_block(b"Hello"), rsv=4, fin=False), more(b"\0"), text(HELLO_DEFLATED, rsv=4), expect=(HELLO, HELLO))
    first, second = refer_back(b"Hello")
    yield case("a message that refers back to the one before", text(first, rsv=4), text(second, rsv=4), expect=(HELLO, HELLO), deflate=Deflate())
    yield case("a message that refers back where it must not", binary(first, rsv=4), binary(second, rsv=4), expect=((BINARY, b"Hello"),),
               end=Fails((1007,)))
    yield case("a message that refers back over one that is not compressed", text(first, rsv=4), text(), text(second, rsv=4), expect=(HELLO,) * 3, deflate=Deflate())
    yield case("compressed text that is not UTF-8", text(bytes.fromhex("000100feffff00"), rsv=4), end=Fails((1007,)))
    yield case("a bomb", binary(bomb(LIMIT + 1), rsv=4), end=Fails((1009,)))


def deflate_frames(frames):
    """The same messages compressed, fragment by fragment; what is no good message stays as it is."""
    deflater = None
    for frame in frames:
        if frame.opcode in (TEXT, BINARY):
            deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        if frame.opcode not in (CONT, TEXT, BINARY) or deflater is None:
            yield frame
            continue
        payload = deflater.compress(frame.payload) + deflater.flush(zlib.Z_SYNC_FLUSH)
        yield replace(frame, payload=payload[:-4] if frame.fin else payload, rsv=4 if frame.opcode != CONT else 0)
        if frame.fin:
            deflater = None


def deflated():
    """Groups 1 to 7 on a session that compresses; reserved bits have their own table."""
    for case, frames in small_scripts():
        if case.group != "3":
            ops = (Send(tuple(deflate_frames(frames)), case.ops[0].pieces),)
            yield replace(case, id=f"deflated.{case.id}", what=f"compressed: {case.what}", ops=ops, deflate=APART)


TABLES = (("lengths", lengths), ("limits", limits), ("masks", masks), ("codes", codes), ("afterclose", after_close), ("firstbyte", first_byte),
          ("tcp", stream_ends), ("opening", opening), ("negotiation", negotiation), ("deflate-negotiation", deflate_negotiation), ("compressed", compressed))


def cases():
    for prefix, table in TABLES:
        yield from number(prefix, table())
    yield from byte_by_byte()
    yield from one_segment()
    yield from with_the_handshake()
    yield from deflated()
