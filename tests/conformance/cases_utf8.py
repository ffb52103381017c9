"""Group 6: text is UTF-8. Other text is refused with 1007 at its first impossible byte."""

from model import AwaitEnd, Case, Fails, InParts, Pause, Send, fragments, split, text
from wire import TEXT

COSMOS = "κόσμε".encode()
COSMOS_DECOMPOSED = bytes.fromhex("cebae1bdb9cf83cebcceb5")
SOON = 0.5  # seconds
GREETING = "Hello-µ@ßöäüàá-UTF-8!!".encode()


def good(number, what, frames, payload):
    return Case(number, what, (Send(frames),), ((TEXT, payload),))


def bad(number, what, ops):
    return Case(number, what, ops, (), Fails((1007,)), within=SOON)


def whole(number, payload):
    """A text in one frame: right when python can read it."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return bad(number, f"invalid {payload[:24].hex()}", (Send((text(payload),)),))
    return good(number, f"valid {payload[:24].hex()}", (text(payload),), payload)


def messages():
    yield good("6.1.1", "empty text", (text(b""),), b"")
    yield good("6.1.2", "three empty fragments", fragments(TEXT, b"", b"", b""), b"")
    yield good("6.1.3", "empty, full and empty fragment", fragments(TEXT, b"", b"middle frame payload", b""), b"middle frame payload")
    yield good("6.2.1", "valid text in one frame", (text(GREETING),), GREETING)
    at = GREETING.index("ö".encode())
    yield good("6.2.2", "two fragments that cut no character", fragments(TEXT, GREETING[:at], GREETING[at:]), GREETING)
    yield good("6.2.3", "fragments of one byte", fragments(TEXT, *split(GREETING, 1)), GREETING)
    yield good("6.2.4", "fragments of one byte, Greek", fragments(TEXT, *split(COSMOS_DECOMPOSED, 1)), COSMOS_DECOMPOSED)
    broken = COSMOS_DECOMPOSED + bytes.fromhex("eda080") + b"edited"
    yield bad("6.3.1", "surrogate in one frame", (Send((text(broken),)),))
    yield bad("6.3.2", "surrogate in fragments of one byte", (Send(fragments(TEXT, *split(broken, 1))),))


def fail_fast():
    begin, rest = COSMOS_DECOMPOSED + b"\xf4", b"\x80\x80edited"
    cuts = ((COSMOS_DECOMPOSED, bytes.fromhex("f4908080"), b"edited"), (begin, b"\x90", rest))
    for number, parts in enumerate(cuts, 1):
        one, two, three = (Send((frame,)) for frame in fragments(TEXT, *parts))
        yield bad(f"6.4.{number}", f"fragments, the second ({parts[1].hex()}) is invalid", (one, Pause(1), two, AwaitEnd(), three))
    for number, parts in enumerate(cuts, 3):
        ends = (len(parts[0]), len(parts[0] + parts[1]))
        yield bad(f"6.4.{number}", f"one frame in parts, the second ({parts[1].hex()}) is invalid",
                  (InParts(text(b"".join(parts)), ends, (Pause(1), AwaitEnd())),))


def from_hex(words):
    return [bytes.fromhex(word) for word in words.split()]


def followed_by_space(first, last):
    return b"".join(bytes((byte, 0x20)) for byte in range(first, last + 1))


CUT_SHORT = "c0 e080 f08080 f8808080 fc80808080 df efbf f7bfbf fbbfbfbf fdbfbfbfbf"

TABLES = {
    5: ["$".encode(), "\u00a2".encode(), "\u20ac".encode(), "\U00024b62".encode(), COSMOS_DECOMPOSED],
    6: [COSMOS_DECOMPOSED[:size] for size in range(1, 12)],
    7: from_hex("00 c280 e0a080 f0908080"),
    8: from_hex("f888808080 fc8480808080"),
    9: from_hex("7f dfbf efbfbf f48fbfbf"),
    10: from_hex("f7bfbfbf fbbfbfbfbf fdbfbfbfbfbf"),
    11: from_hex("ed9fbf ee8080 efbfbd f48fbfbf f4908080"),
    12: from_hex("80 bf 80bf 80bf80 80bf80bf 80bf80bf80 80bf80bf80bf") + [bytes(range(0x80, 0xBF))],
    13: [followed_by_space(*ends) for ends in ((0xC0, 0xDE), (0xE0, 0xEE), (0xF0, 0xF6), (0xF8, 0xFA), (0xFC, 0xFC))],
    14: from_hex(CUT_SHORT),
    15: [b"".join(from_hex(CUT_SHORT))],
    16: from_hex("fe ff fefeffff"),
    17: from_hex("c0af e080af f08080af f8808080af fc80808080af"),
    18: from_hex("c1bf e09fbf f08fbfbf f887bfbfbf fc83bfbfbfbf"),
    19: from_hex("c080 e08080 f0808080 f880808080 fc8080808080"),
    20: from_hex("eda080 edadbf edae80 edafbf edb080 edbe80 edbfbf"),
    21: [high + low for high in from_hex("eda080 edadbf edae80 edafbf") for low in from_hex("edb080 edbfbf")],
    22: [chr(plane << 16 | low).encode() for plane in range(17) for low in (0xFFFE, 0xFFFF)],
    23: [chr(code).encode() for code in range(0xFFF9, 0x10000)],
}


def cases():
    yield from messages()
    yield from fail_fast()
    for table, payloads in TABLES.items():
        for number, payload in enumerate(payloads, 1):
            yield whole(f"6.{table}.{number}", payload)
