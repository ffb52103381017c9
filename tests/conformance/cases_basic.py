"""Groups 1 to 5 and 7: framing, pings, reserved bits, opcodes, fragments, the closing handshake."""

from model import Answers, Case, Fails, Pause, Send, binary, close, fragments, more, ping, pong, text
from wire import BINARY, PONG, TEXT, Frame

HELLO = (TEXT, b"Hello")
PIECES = ("once", "frames", 1)


def echoes():
    for group, opcode, byte in ((1, TEXT, b"*"), (2, BINARY, b"\xfe")):
        sizes = (0, 125, 126, 127, 128, 65535, 65536, 65536)
        for number, size in enumerate(sizes, 1):
            pieces = 997 if number == 8 else "once"
            payload = byte * size
            yield Case(f"1.{group}.{number}", f"echo of {size} bytes, pieces: {pieces}",
                       (Send((Frame(opcode, payload),), pieces),), ((opcode, payload),))


def pings():
    raw = bytes.fromhex("00fffefdfcfb00ff")
    ten = tuple(ping(b"payload-%d" % i) for i in range(10))
    answers = tuple((PONG, frame.payload) for frame in ten)
    yield Case("2.1", "ping without payload", (Send((ping(),)),), ((PONG, b""),))
    yield Case("2.2", "ping with text", (Send((ping(b"Hello, world!"),)),), ((PONG, b"Hello, world!"),))
    yield Case("2.3", "ping that is not UTF-8", (Send((ping(raw),)),), ((PONG, raw),))
    yield Case("2.4", "ping of 125 bytes", (Send((ping(b"\xfe" * 125),)),), ((PONG, b"\xfe" * 125),))
    yield Case("2.5", "ping of 126 bytes", (Send((ping(b"\xfe" * 126),)),), (), Fails())
    yield Case("2.6", "ping of 125 bytes byte by byte", (Send((ping(b"\xfe" * 125),), 1),), ((PONG, b"\xfe" * 125),))
    yield Case("2.7", "unsolicited pong", (Send((pong(),)),))
    yield Case("2.8", "unsolicited pong with payload", (Send((pong(b"unsolicited"),)),))
    yield Case("2.9", "unsolicited pong, then ping", (Send((pong(b"unsolicited"), ping(b"payload"))),), ((PONG, b"payload"),))
    yield Case("2.10", "ten pings in one write", (Send(ten),), answers)
    yield Case("2.11", "ten pings byte by byte", (Send(ten, 1),), answers)


def reserved_bits():
    yield Case("3.1", "rsv 1", (Send((text(rsv=1),)),), (), Fails())
    yield Case("3.2", "good, rsv 2, ping in one write", (Send((text(), text(b"two", rsv=2), ping())),), (HELLO,), Fails(), ((),))
    yield Case("3.3", "good, rsv 3, ping frame by frame", (Send((text(), text(b"two", rsv=3), ping()), "frames"),), (HELLO,), Fails(), ((),))
    yield Case("3.4", "good, rsv 4, ping byte by byte", (Send((text(), text(b"two", rsv=4), ping()), 1),), (HELLO,), Fails(), ((),))
    yield Case("3.5", "binary with rsv 5", (Send((binary(b"\0\1", rsv=5),)),), (), Fails())
    yield Case("3.6", "ping with rsv 6", (Send((ping(b"six", rsv=6),)),), (), Fails())
    yield Case("3.7", "close with rsv 7", (Send((close(1000, rsv=7),)),), (), Fails())


def opcodes():
    for group, first in ((1, 3), (2, 11)):
        yield Case(f"4.{group}.1", f"opcode {first}", (Send((Frame(first),)),), (), Fails())
        yield Case(f"4.{group}.2", f"opcode {first + 1} with payload", (Send((Frame(first + 1, b"reserved"),)),), (), Fails())
        shapes = ((2, b"", "once"), (3, b"reserved", "once"), (4, b"reserved", 1))
        for add, payload, pieces in shapes:
            frames = (text(), Frame(first + add, payload), ping())
            yield Case(f"4.{group}.{add + 1}", f"good, opcode {first + add}, ping; pieces: {pieces}",
                       (Send(frames, pieces),), (HELLO,), Fails(), ((),))


def fragmentation():
    two = fragments(TEXT, b"fragment1", b"fragment2")
    joined = (TEXT, b"fragment1fragment2")
    between = (two[0], ping(b"between"), two[1])
    yield Case("5.1", "ping in two fragments", (Send((ping(b"one", fin=False), more(b"two"))),), (), Fails())
    yield Case("5.2", "pong in two fragments", (Send((pong(b"one", fin=False), more(b"two"))),), (), Fails())
    for number, pieces in enumerate(PIECES):
        yield Case(f"5.{3 + number}", f"text in two fragments, pieces: {pieces}", (Send(two, pieces),), (joined,))
        yield Case(f"5.{6 + number}", f"ping between two fragments, pieces: {pieces}",
                   (Send(between, pieces),), ((PONG, b"between"), joined))
        for fin, base in ((True, 9), (False, 12)):
            yield Case(f"5.{base + number}", f"continuation of nothing, FIN={fin:d}, then text; pieces: {pieces}",
                       (Send((more(b"stray", fin=fin), text()), pieces),), (), Fails())
    yield Case("5.15", "good fragmented text, continuation of nothing, text",
               (Send(two + (more(b"stray", fin=False), text())),), (joined,), Fails(), ((),))
    for number, fin in ((16, False), (17, True)):
        yield Case(f"5.{number}", f"twice: continuation of nothing FIN={fin:d}, text in two fragments",
                   (Send(((more(b"stray", fin=fin),) + two) * 2),), (), Fails())
    yield Case("5.18", "second fragment begins a text", (Send((text(b"one", fin=False), text(b"two"))),), (), Fails())
    five = fragments(TEXT, *(b"fragment%d" % i for i in range(1, 6)))
    answers = ((PONG, b"one"), (PONG, b"two"), (TEXT, b"".join(frame.payload for frame in five)))
    for number, pieces in ((19, "once"), (20, "frames")):
        ops = (Send(five[:2] + (ping(b"one"),), pieces), Pause(1), Send(five[2:4] + (ping(b"two"),), pieces), Send(five[4:], pieces))
        yield Case(f"5.{number}", f"five fragments, two pings, a pause; pieces: {pieces}", ops, answers)


def closing():
    bye = close(1000, b"bye")
    normal = Answers((1000,))
    yield Case("7.1.1", "message, then close", (Send((text(),)),), (HELLO,))
    yield Case("7.1.2", "two close frames", (Send((bye, close(1001)),),), (), normal)
    yield Case("7.1.3", "ping after close", (Send((bye, ping(b"late"))),), (), normal)
    yield Case("7.1.4", "text after close", (Send((bye, text())),), (), normal)
    yield Case("7.1.5", "close between two fragments", (Send((text(b"one", fin=False), bye, more(b"two"))),), (), normal)
    big = text(b"*" * 262144)
    yield Case("7.1.6", "256 KiB, text, close, ping", (Send((big, text(b"Hello World!"), bye, ping())),),
               ((TEXT, big.payload), (TEXT, b"Hello World!")), normal, informational=True)
    yield Case("7.3.1", "close without payload", (Send((close(),)),), (), Answers((None,)))
    yield Case("7.3.2", "close of one byte", (Send((Frame(close().opcode, b"a"),)),), (), Fails())
    yield Case("7.3.3", "close with a code", (Send((close(1000),)),), (), normal)
    yield Case("7.3.4", "close with code and reason", (Send((close(1000, b"Hello World!"),)),), (), normal)
    yield Case("7.3.5", "close with 123 bytes of reason", (Send((close(1000, b"*" * 123),)),), (), normal)
    yield Case("7.3.6", "close with 124 bytes of reason", (Send((close(1000, b"*" * 124),)),), (), Fails())
    bad = bytes.fromhex("cebae1bdb9cf83cebcceb5eda080") + b"edited"
    yield Case("7.5.1", "close reason that is not UTF-8", (Send((close(1000, bad),)),), (), Fails((1007, 1002)))
    valid = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    for number, code in enumerate(valid, 1):
        yield Case(f"7.7.{number}", f"close code {code}", (Send((close(code),)),), (), Answers((code, 1000)))
    invalid = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)
    for number, code in enumerate(invalid, 1):
        yield Case(f"7.9.{number}", f"close code {code}", (Send((close(code),)),), (), Fails())
    for number, code in enumerate((5000, 65535), 1):
        yield Case(f"7.13.{number}", f"close code {code}", (Send((close(code),)),), (), Fails(), informational=True)


def cases():
    for table in (echoes, pings, reserved_bits, opcodes, fragmentation, closing):
        yield from table()
