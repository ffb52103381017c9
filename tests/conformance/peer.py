"""The testing peer: one connection on which a case is played, and the verdict."""

import asyncio
import base64
import hashlib
import os
import re
import socket
import struct
import time
import zlib
from dataclasses import dataclass, replace

import deflate
from model import (Answers, AwaitEnd, Closes, Drops, Exchange, Fails, InParts, Pause, Refuses, Reset, Send, Shut, Vanishes, Waits, close, fragments, split)
from wire import BINARY, CLOSE, NAMES, PING, PONG, TEXT, Broken, Decoder, encode

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
OK, NON_STRICT, INFORMATIONAL, FAILED, UNIMPLEMENTED = "OK", "NON-STRICT", "INFORMATIONAL", "FAILED", "UNIMPLEMENTED"
HEAD_MAX = 8192
READ_SIZE = 1 << 18
COMPRESS_MIN = 128  # bytes of a message from which on weir compresses by default


@dataclass
class Result:
    case: object
    verdict: str
    detail: str = ""
    slow: bool = False  # only the time that it took is wrong


class Failed(Exception):
    """The case is decided: weir failed."""


class Refused(Exception):
    """The case is decided: weir refused the opening handshake as it had to."""


class Unimplemented(Exception):
    """The case needs something that is not built in."""


class Connection:
    """A socket to weir, which is `weir_role`. Frames that come are noted as they come, in the background."""

    def __init__(self, sock, weir_role, timeout):
        self.sock = sock
        self.weir_role = weir_role
        self.timeout = timeout
        self.decoder = Decoder(masked=weir_role == "client")
        self.codec = None
        self.events = []
        self.type = None  # of the message in progress, its fragments so far, and whether it has RSV1
        self.parts = []
        self.compressed = False
        self.close = None  # (code or None, reason) of the peer
        self.ended = None  # "end of stream" or "reset"
        self.broken = None  # the rule that the peer broke
        self.sent_close = False
        self.early = self.late = False
        self.sent_at = self.closed_at = 0.0  # when the last write began, when a Close came
        self.changed = asyncio.Event()
        self.reader = None

    # ---- bytes ----

    async def send(self, data):
        """A peer that is gone reads nothing, which alone is no failure."""
        if self.close is None:
            self.sent_at = time.monotonic()
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(self.sock, data), self.timeout * 3)
        except (ConnectionError, TimeoutError):
            pass

    async def read_head(self):
        """The head of the opening handshake; what follows is given to the decoder."""
        head = b""
        while b"\r\n\r\n" not in head:
            data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.sock, READ_SIZE), self.timeout)
            if not data or len(head) > HEAD_MAX:
                raise Failed(f"the handshake ended after {head[:200]!r}")
            head += data
        head, _, rest = head.partition(b"\r\n\r\n")
        self.decoder.feed(rest)
        start, *lines = head.decode().split("\r\n")
        fields = [line.split(":", 1) for line in lines]
        return start, {name.strip().lower(): value.strip() for name, value in fields}

    def start_reading(self):
        self.reader = asyncio.create_task(self.read_all())

    async def read_all(self):
        try:
            self.take_frames()
            while data := await asyncio.get_running_loop().sock_recv(self.sock, READ_SIZE):
                self.decoder.feed(data)
                self.take_frames()
            self.ended = "end of stream"
        except (Broken, zlib.error) as error:
            self.broken = str(error)
        except ConnectionError:
            self.ended = "reset"
        self.changed.set()

    # ---- frames ----

    def take_frames(self):
        while frame := self.decoder.next():
            opcode, fin, rsv, payload = frame
            if self.close is not None:
                raise Broken(f"{NAMES[opcode]} after close")
            self.decoder.note(opcode, fin)
            if opcode == CLOSE:
                self.take_close(payload)
            elif opcode in (PING, PONG):
                self.events.append((opcode, payload))
            else:
                self.take_fragment(opcode, fin, rsv, payload)
        self.changed.set()

    def take_close(self, payload):
        if len(payload) == 1:
            raise Broken("close of one byte")
        try:
            reason = payload[2:].decode()
        except UnicodeDecodeError:
            raise Broken("close reason is not UTF-8") from None
        self.closed_at = time.monotonic()
        self.close = (int.from_bytes(payload[:2], "big") if payload else None, reason)

    def take_fragment(self, opcode, fin, rsv, payload):
        if opcode in (TEXT, BINARY):
            self.type, self.parts, self.compressed = opcode, [], rsv != 0
        self.parts.append(payload)
        if not fin:
            return
        message = b"".join(self.parts)
        if self.compressed:
            message = self.codec.decompress(message)
        elif self.codec is not None and len(message) >= COMPRESS_MIN:
            raise Broken(f"{len(message)} bytes came back uncompressed")
        self.events.append((self.type, message))
        self.parts = []

    # ---- waiting ----

    @property
    def over(self):
        return self.close is not None or self.ended is not None or self.broken is not None

    async def wait_for(self, condition, seconds=None):
        """Waits until the condition holds. Without a time: as long as something comes now and then."""
        while not condition():
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), self.timeout if seconds is None else seconds)
            except TimeoutError:
                return condition()
        return True

    # ---- the script ----

    def encode(self, frame):
        self.sent_close = self.sent_close or frame.opcode == CLOSE
        return encode(frame, masking=self.weir_role == "server")

    def opening_bytes(self, case):
        """What goes out together with the handshake."""
        return b"".join(map(self.encode, case.ops[0].frames)) if case.early else b""

    async def play(self, case):
        for op in case.ops[1:] if case.early else case.ops:
            await self.do(op)
        await self.finish(case)

    async def do(self, op):
        match op:
            case Send(frames, "once"):
                await self.send(b"".join(map(self.encode, frames)))
            case Send(frames, "frames"):
                for frame in frames:
                    await self.send(self.encode(frame))
            case Send(frames, size):
                for frame in frames:
                    for piece in split(self.encode(frame), size):
                        await self.send(piece)
            case InParts():
                await self.send_in_parts(op)
            case Pause(seconds):
                await self.wait_for(lambda: self.over, seconds)
                self.early = self.early or self.over
            case AwaitEnd():
                self.late = not await self.wait_for(lambda: self.over)
            case Exchange():
                await self.exchange(op)
            case Shut():
                await self.wait_a_moment()
                self.sock.shutdown(socket.SHUT_WR)
            case Reset():
                await self.wait_a_moment()
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def wait_a_moment(self):
        """Waits so that the peer can see what was sent before."""
        await asyncio.sleep(0.05)

    async def send_in_parts(self, op):
        data = self.encode(op.frame)
        head = len(data) - len(op.frame.payload)
        at = 0
        for end, between in zip(op.ends, op.between):
            await self.send(data[at : head + end])
            await self.do(between)
            at = head + end
        await self.send(data[at:])

    async def exchange(self, op):
        for opcode, payload in op.messages():
            message = self.codec.compress(payload) if op.compress else payload
            parts = split(message, op.fragment or len(message) or 1) or [b""]
            frames = list(fragments(opcode, *parts))
            if op.compress:
                frames[0] = replace(frames[0], rsv=4)
            await self.send(b"".join(map(self.encode, frames)))
            await self.wait_for(lambda: self.events or self.over)
            if not self.events or self.events.pop(0) != (opcode, payload):
                raise Failed(f"no echo of {len(payload)} bytes")

    # ---- the end ----

    async def finish(self, case):
        if isinstance(case.end, Vanishes):
            return
        if isinstance(case.end, (Closes, Waits)):
            await self.wait_for(lambda: len(self.events) >= len(case.expect) or self.over)
            if not self.over:
                await self.send(self.encode(close(case.end.code if isinstance(case.end, Closes) else 1000)))
        await self.wait_for(lambda: self.over)
        if isinstance(case.end, Waits):
            self.early = await self.wait_for(lambda: self.ended, 1)
        elif self.close is not None and not case.mute:
            await self.end_in_order()
        await self.wait_for(lambda: self.ended or self.broken)

    async def end_in_order(self):
        """Ends as the RFC says: a Close is answered, and a server ends TCP first."""
        if not self.sent_close:
            code, reason = self.close
            await self.send(self.encode(close(code, reason.encode())))
        if self.weir_role == "client":
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:  # gone already
                pass

    async def dispose(self):
        if self.reader is not None:
            self.reader.cancel()
            await asyncio.gather(self.reader, return_exceptions=True)
        self.sock.close()


# ---- the opening handshake ----


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def make_codec(connection, agreed):
    ours, theirs = ("client", "server") if connection.weir_role == "server" else ("server", "client")
    connection.codec = deflate.Codec(agreed, ours, theirs)
    connection.decoder.rsv = 4


def write_head(start, usual, case):
    """The head of our opening handshake, with the fields that the case has instead of the usual ones."""
    fields = {name: value for name, value in ({**usual, **dict(case.fields)}).items() if value is not None}
    return "\r\n".join([start, *(f"{name}: {value}" for name, value in fields.items()), "", ""]).encode()


async def shake_hands_with_server(connection, case, host):
    key = base64.b64encode(os.urandom(16)).decode()
    offer = case.offer or (deflate.make_offer(case.deflate) if case.deflate else None)
    usual = {"Host": host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Extensions": offer}
    await connection.send(write_head("GET /conformance HTTP/1.1", usual, case) + connection.opening_bytes(case))
    start, fields = await connection.read_head()
    if isinstance(case.end, Refuses) and start.startswith(f"HTTP/1.1 {case.end.status} "):
        raise Refused
    if not start.startswith("HTTP/1.1 101 ") or fields.get("sec-websocket-accept") != accept_of(key) or isinstance(case.end, Refuses):
        raise Failed(f"the handshake was answered with {start}")
    agree_as_client(connection, case, offer, fields.get("sec-websocket-extensions", ""))


def agree_as_client(connection, case, offer, field):
    """What weir, the server, has made of our offer. What it may take: one offer that the case names, or any of them."""
    agreed = deflate.parse_list(field)
    if case.deflate and not agreed and case.takes is None:
        raise Unimplemented
    offers = deflate.parse_list(offer or "") if case.takes is None else deflate.parse_list(case.takes)
    fits = len(agreed) == 1 and any(deflate.answer_fits(one, agreed[0]) for one in offers) if agreed else not field and not case.takes
    if not fits:
        raise Failed(f"{offer} was answered with {field}")
    if agreed:
        make_codec(connection, agreed[0])


def check_request(start, fields):
    """What RFC 6455 4.1 wants of a client's request."""
    key = fields.get("sec-websocket-key", "")
    good = (re.fullmatch(r"GET /\S* HTTP/1\.1", start) and fields.get("upgrade", "").lower() == "websocket" and
            "upgrade" in fields.get("connection", "").lower() and fields.get("sec-websocket-version") == "13" and
            "host" in fields and re.fullmatch(r"[A-Za-z0-9+/]{22}==", key))
    if not good:
        raise Failed(f"bad request: {start} {fields}")
    return key


async def shake_hands_with_client(connection, case, key, fields):
    """Our answer as a server; the request was read before."""
    offered = fields.get("sec-websocket-extensions", "")
    answer = case.offer
    if case.deflate and not isinstance(case.end, Drops):
        agreed = deflate.make_answer(offered, case.deflate) if answer is None else deflate.parameters(answer)
        if agreed is None:
            raise Unimplemented
        if not any(deflate.answer_fits(one, agreed) for one in deflate.parse_list(offered)):
            raise Failed(f"{answer} does not fit the offer {offered}")
        answer = deflate.write(agreed)
        make_codec(connection, agreed)
    usual = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept_of(key), "Sec-WebSocket-Extensions": answer}
    await connection.send(write_head("HTTP/1.1 101 Switching Protocols", usual, case) + connection.opening_bytes(case))


# ---- the verdict ----


def describe(events):
    return "[" + ", ".join(f"{NAMES[opcode]} {payload[:20]!r}" + (f"+{len(payload) - 20}" if len(payload) > 20 else "")
                           for opcode, payload in events[:12]) + "]"


def fault_of_end(case, connection):
    """What is wrong with how the connection ended: (text, whether that is merely not strict), or None."""
    code = connection.close[0] if connection.close else "none"
    end = case.end
    if isinstance(end, Vanishes):
        return None
    if connection.early:
        return "the connection ended too early", False
    if connection.ended is None:
        return "TCP was not ended", False
    if isinstance(end, Drops):
        return ("a Close was sent where nobody can read it", False) if connection.close else None
    wanted = {Closes: lambda: (end.code,), Waits: lambda: (1000,), Answers: lambda: end.codes, Fails: lambda: end.codes}[type(end)]()
    if connection.close is None:
        return "TCP was dropped without a Close", isinstance(end, Fails)
    if code not in wanted:
        return f"close code {code}, not {wanted}", False
    if connection.ended == "reset":
        return "TCP ended with a reset", False
    return None


def judge(case, connection):
    if connection.broken:
        return Result(case, FAILED, f"weir broke a rule: {connection.broken}")
    fault = fault_of_end(case, connection)
    if case.informational:
        return Result(case, INFORMATIONAL, f"close code {connection.close and connection.close[0]}, echoes: {len(connection.events)}")
    if fault and not fault[1]:
        return Result(case, FAILED, f"{fault[0]}; came: {describe(connection.events)}")
    if isinstance(case.end, Vanishes):
        return Result(case, OK)
    events = tuple(connection.events)
    if events != case.expect:
        if events not in case.lenient:
            return Result(case, FAILED, f"came: {describe(events)}, not {describe(case.expect)}")
        return Result(case, NON_STRICT, f"came: {describe(events)}")
    if fault:
        return Result(case, NON_STRICT, fault[0])
    if connection.late:
        return Result(case, NON_STRICT, "the violation was answered late")
    took = connection.closed_at - connection.sent_at
    if case.within is not None and took > case.within:
        return Result(case, NON_STRICT, f"the violation was answered after {took:.2f} s", slow=True)
    return Result(case, OK)


async def play_case(connection, case, shake_hands):
    """Plays a case on a connection and judges it. shake_hands: what opens it."""
    try:
        await shake_hands
        connection.start_reading()
        await connection.play(case)
        return judge(case, connection)
    except Refused:
        return Result(case, OK)
    except Unimplemented:
        return Result(case, UNIMPLEMENTED)
    except (Failed, OSError, TimeoutError, ValueError) as error:
        return Result(case, FAILED, f"{type(error).__name__}: {error}")
    finally:
        await connection.dispose()
