"""Random streams of frames: valid ones, ones with a rule broken somewhere, and ones with any byte changed. A seed always gives the same stream.

A stream is made for one receiving role, and begins after the opening handshake."""

import random
import zlib
from dataclasses import dataclass, field

from wire import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame, encode

DEFLATE = {  # what was agreed on: the sender keeps its context, or must not
    "server": {"together": {}, "apart": {"client_no_context_takeover": None}},
    "client": {"together": {}, "apart": {"server_no_context_takeover": None}},
}
LETTERS = ["a", "weir ", "\x00", "é", "κόσμε", "鼎", "😀", "\U0010ffff", '{"id":1}']
BAD_TEXT = [b"\x80", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xff", b"\xe2\x82", b"\xf0\x9f\x98"]
CODES = [None, 1000, 1001, 1003, 1008, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
BAD_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 9999, 65535]
SIZES = [0, 1, 2, 5, 20, 124, 125, 126, 127, 300, 1000, 5000]
RARE_SIZES = [65535, 65536, 70000]


@dataclass
class Stream:
    seed: int
    role: str  # the receiver's
    deflate: str | None  # "together", "apart", or nothing is agreed on
    broken: str  # what was done to it
    data: bytes = b""
    frames: list = field(default_factory=list)

    def __str__(self):
        return f"stream {self.seed} to a {self.role}, deflate {self.deflate}, {self.broken}"


class Maker:
    """Makes one stream."""

    def __init__(self, seed, role):
        self.random = random.Random(f"{seed} {role}")
        self.role = role
        self.deflate = self.random.choice([None, None, "together", "apart"])
        self.deflater = None

    # ---- what is right ----

    def text(self, size):
        letters = "".join(self.random.choices(LETTERS, k=size))
        return letters.encode()[:size].decode(errors="ignore").encode()

    def payload(self, opcode):
        size = self.random.choice(SIZES if self.random.random() < 0.95 else RARE_SIZES)
        if opcode == TEXT:
            return self.text(size)
        return self.random.randbytes(size) if self.random.random() < 0.5 else bytes(size)

    def compress(self, payload):
        """A message by itself, or one that refers back; an empty block ends it, or now and then a final one."""
        if self.deflater is None or self.deflate == "apart":
            level, strategy = self.random.choice([0, 1, 6, 9]), self.random.choice([zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED])
            self.deflater = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
        if self.deflate == "apart" and self.random.random() < 0.2:
            return self.deflater.compress(payload) + self.deflater.flush(zlib.Z_FINISH) + b"\0"
        return (self.deflater.compress(payload) + self.deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def control(self):
        return Frame(self.random.choice([PING, PONG]), self.random.randbytes(self.random.choice([0, 1, 4, 125])))

    def message(self):
        """The frames of a message, with control frames between them."""
        opcode = self.random.choice([TEXT, BINARY])
        payload, rsv = self.payload(opcode), 0
        if self.deflate and self.random.random() < 0.7:
            payload, rsv = self.compress(payload), 4
        count = self.random.choice([1, 1, 1, 2, 3, 5])
        cuts = sorted(self.random.randint(0, len(payload)) for _ in range(count - 1))
        frames = []
        for i, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(payload)])):
            if i and self.random.random() < (0.05 if rsv else 0.2):  # seldom where wsproto goes wrong
                frames.append(self.control())
            frames.append(Frame(CONT if i else opcode, payload[start:end], fin=i == count - 1, rsv=0 if i else rsv))
        return frames

    def close(self):
        code = self.random.choice(CODES)
        reason = self.text(self.random.choice([0, 5, 123]))
        return Frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason)

    def frames(self):
        found = []
        for _ in range(self.random.randint(0, 6)):
            found += [self.control()] if self.random.random() < 0.2 else self.message()
        return [*found, self.close()]

    # ---- what is not ----

    def change(self, frames, suits, **kind):
        """Changes one of the frames that suit, if there is any; a value may be a function of the frame."""
        places = [i for i, frame in enumerate(frames) if suits(frame)]
        if places:
            at = self.random.choice(places)
            values = {name: value(frames[at]) if callable(value) else value for name, value in kind.items()}
            frames[at] = Frame(**{**vars(frames[at]), **values})

    def insert(self, frames, frame):
        frames.insert(self.random.randint(0, len(frames) - 1), frame)

    def flip(self, payload):
        at = self.random.randrange(len(payload))
        return payload[:at] + bytes([payload[at] ^ 1 << self.random.randrange(8)]) + payload[at + 1 :]

    def spoil(self, payload):
        at = self.random.randint(0, len(payload))
        return payload[:at] + self.random.choice(BAD_TEXT) + payload[at:]

    def break_reserved_bits(self, frames):
        self.change(frames, lambda frame: True, rsv=self.random.randint(1, 7))

    def break_opcode(self, frames):
        self.insert(frames, Frame(self.random.choice([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]), self.random.randbytes(self.random.choice([0, 5]))))

    def break_control_fin(self, frames):
        self.change(frames, lambda frame: frame.opcode >= CLOSE, fin=False)

    def break_control_size(self, frames):
        self.insert(frames, Frame(self.random.choice([PING, PONG, CLOSE]), b"\x03\xe8" + b"a" * self.random.choice([124, 200, 70000])))

    def break_mask(self, frames):
        self.change(frames, lambda frame: True, masked=self.role == "client")

    def break_order(self, frames):
        self.insert(frames, Frame(self.random.choice([CONT, TEXT, BINARY]), b"more", fin=self.random.random() < 0.5))

    def break_fin(self, frames):
        self.change(frames, lambda frame: frame.opcode < CLOSE, fin=lambda frame: not frame.fin)

    def break_shortest_length(self, frames):
        self.change(frames, lambda frame: frame.opcode < CLOSE and len(frame.payload) < 65536,
                    width=lambda frame: 2 if len(frame.payload) < 126 and self.random.random() < 0.5 else 8)

    def break_length(self, frames):
        length = self.random.choice([1 << 63, 1 << 63 | 5, (1 << 63) - 1, 1 << 53, 1 << 40, 1 << 32, 17 << 20])
        self.change(frames, lambda frame: frame.opcode < CLOSE, width=8, length=length)

    def break_close_code(self, frames):
        frames[-1] = Frame(CLOSE, self.random.choice(BAD_CODES).to_bytes(2, "big") + b"why")

    def break_close_size(self, frames):
        frames[-1] = Frame(CLOSE, b"\x03")

    def break_close_text(self, frames):
        frames[-1] = Frame(CLOSE, b"\x03\xe8" + self.spoil(b"why"))

    def break_text(self, frames):
        self.insert(frames, Frame(TEXT, self.spoil(self.text(self.random.choice(SIZES)))))

    def break_text_in_fragments(self, frames):
        text = self.spoil(self.text(100))
        cut = self.random.randint(0, len(text))
        at = self.random.randint(0, len(frames) - 1)
        frames[at:at] = [Frame(TEXT, text[:cut], fin=False), Frame(CONT, text[cut:])]

    def break_compressed_text(self, frames):
        if self.deflate:
            self.insert(frames, Frame(TEXT, zlib.compress(self.spoil(self.text(100)))[2:-4], rsv=4))

    def break_compressed(self, frames):
        self.change(frames, lambda frame: frame.rsv and frame.payload, payload=lambda frame: self.flip(frame.payload))

    def break_compressed_end(self, frames):
        self.change(frames, lambda frame: frame.rsv and frame.fin and frame.payload, payload=lambda frame: frame.payload[: self.random.randrange(len(frame.payload))])

    def append_after_close(self, frames):
        frames += [self.control(), Frame(7, b"after the end")]

    def make(self, seed):
        frames = self.frames()
        defects = sorted(name for name in dir(self) if name.startswith("break_"))
        kind = self.random.random()
        done = "as it should be"
        if kind < 0.6:
            names = self.random.sample(defects, 1 if kind < 0.5 else 2)
            for name in names:
                getattr(self, name)(frames)
            done = " and ".join(name.replace("_", " ") for name in names)
        elif kind < 0.7:
            self.append_after_close(frames)
        data = b"".join(encode(frame, self.role == "server") for frame in frames)
        if kind > 0.85:
            data, done = self.flip(data), "a bit changed"
        return Stream(seed, self.role, self.deflate, done, data, frames)


def make_stream(seed, role):
    return Maker(seed, role).make(seed)
