"""What a case is: data, nothing that runs. The suite plays it against weir in both roles.

A case is a script of operations, the events that must come back in order, and how the connection must end."""

from dataclasses import dataclass

from wire import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame

# ---- operations ----


@dataclass(frozen=True)
class Send:
    """Writes frames. pieces: "once", all in one write; "frames", a write for each; a number, so many bytes of a frame at a time."""

    frames: tuple
    pieces: object = "once"


@dataclass(frozen=True)
class InParts:
    """Writes one frame in parts that end after so many bytes of its payload; between two of them comes an operation."""

    frame: Frame
    ends: tuple
    between: tuple


@dataclass(frozen=True)
class Pause:
    """Nothing is sent for so long; a peer that ends the connection meanwhile is too early."""

    seconds: float


@dataclass(frozen=True)
class AwaitEnd:
    """The peer must close now, before anything more is sent; one that does not is only late."""


@dataclass(frozen=True)
class Exchange:
    """Round trips: each message is sent when the one before has come back. messages: a function that gives (opcode, payload) pairs."""

    messages: object
    fragment: int = 0  # bytes of a fragment; 0: unfragmented
    compress: bool = False


@dataclass(frozen=True)
class Shut:
    """Ends our half of TCP."""


@dataclass(frozen=True)
class Reset:
    """Drops TCP with a reset: it can only be observed that the peer goes on."""


# ---- ends ----


@dataclass(frozen=True)
class Closes:
    """We close when all has come back: the peer answers with the code (None: an empty Close), and TCP ends in order."""

    code: int | None = 1000


@dataclass(frozen=True)
class Answers:
    """The script holds our Close: the peer answers with one of these codes."""

    codes: tuple


@dataclass(frozen=True)
class Fails:
    """The peer closes, with one of these codes. A peer that only drops TCP is not strict."""

    codes: tuple = (1002,)


@dataclass(frozen=True)
class Drops:
    """The peer ends TCP without a Close: it would not be read, or there is no WebSocket."""


@dataclass(frozen=True)
class Refuses:
    """A server answers the opening handshake with this status instead of 101."""

    status: int


@dataclass(frozen=True)
class Waits:
    """As Closes, but we keep TCP open: the peer, a client, waits for us for a while, and then ends it."""


@dataclass(frozen=True)
class Vanishes:
    """We are gone: it can only be observed that the peer goes on with other connections."""


@dataclass(frozen=True)
class Case:
    id: str
    what: str
    ops: tuple
    expect: tuple = ()  # events in order: (opcode, payload)
    end: object = Closes()
    lenient: tuple = ()  # other lists of events, not strict
    informational: bool = False  # no behaviour is wrong as long as the connection ends
    roles: tuple = ("server", "client")
    weight: int = 1  # about how many MiB go through
    options: tuple = ()  # of `weir echo`
    deflate: object = None  # parameters of permessage-deflate that are asked for
    early: bool = False  # the first write goes out in the segment of the handshake
    fields: tuple = ()  # of our opening handshake, in place of the usual ones: (name, value or None for none)
    offer: str | None = None  # Sec-WebSocket-Extensions that we send, as client or server
    takes: str | None = None  # which of our offers weir, as a server, has to take; "": none; None: any, if the extension is built in
    within: float | None = None  # seconds from the last write to the Close of the peer
    mute: bool = False  # we answer no Close

    @property
    def group(self):
        return self.id.split(".")[0]


# ---- words that the tables are written in ----


def text(payload=b"Hello", **kind):
    return Frame(TEXT, payload, **kind)


def binary(payload=b"", **kind):
    return Frame(BINARY, payload, **kind)


def more(payload=b"", **kind):
    return Frame(CONT, payload, **kind)


def ping(payload=b"", **kind):
    return Frame(PING, payload, **kind)


def pong(payload=b"", **kind):
    return Frame(PONG, payload, **kind)


def close(code=None, reason=b"", **kind):
    return Frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason, **kind)


def fragments(opcode, *parts):
    """A message in fragments."""
    last = len(parts) - 1
    return tuple(Frame(CONT if i else opcode, part, fin=i == last) for i, part in enumerate(parts))


def split(payload, size):
    """Pieces of a size; the last may be shorter."""
    return [payload[at : at + size] for at in range(0, len(payload), size)]


def encode_size(frames):
    """About how many bytes the frames have on the wire."""
    return sum(len(frame.payload) + 14 for frame in frames)
