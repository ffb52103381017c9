"""What the tests of the command share: the command as a process, and a WebSocket peer that does only what a test asks for (RFC 6455, either role)."""

import base64
import contextlib
import hashlib
import os
import select
import signal
import socket
import struct
import subprocess
import threading
import time

WEIR = os.environ["WEIR_BIN"]
TIMEOUT = 30  # seconds: only a test that fails waits so long

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


def mask_with(key, payload):
    size = len(payload)
    keys = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")).to_bytes(size, "big")


class Peer:
    """One end of a connection, after its opening handshake. A client masks, a server does not."""

    def __init__(self, sock, head, rest, masks):
        self.sock, self.head, self.rest, self.masks = sock, head, rest, masks

    def field(self, name):
        """All values of a field of the peer's opening handshake."""
        lines = (line.partition(":") for line in self.head.split("\r\n")[1:])
        return [value.strip() for field, _, value in lines if field.lower() == name.lower()]

    def send(self, opcode, payload=b"", fin=True):
        size = len(payload)
        mask = os.urandom(4) if self.masks else b""
        head = bytes([fin << 7 | opcode])
        bit = 0x80 if self.masks else 0
        if size < 126:
            head += bytes([bit | size])
        elif size < 1 << 16:
            head += struct.pack(">BH", bit | 126, size)
        else:
            head += struct.pack(">BQ", bit | 127, size)
        if self.masks:
            payload = mask_with(mask, payload)
        self.sock.sendall(head + mask + payload)

    def close(self, code, reason=b""):
        self.send(CLOSE, struct.pack(">H", code) + reason)

    def take(self, size):
        while len(self.rest) < size:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError(f"the connection ended within {size} bytes, after {self.rest!r}")
            self.rest += more
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def frame(self):
        """The next frame: (fin, opcode, payload)."""
        first, second = self.take(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", self.take(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", self.take(8))
        masked = second & 0x80 != 0
        assert masked != self.masks, "masked by the wrong role"
        mask = self.take(4) if masked else bytes(4)
        payload = self.take(size)
        if masked:
            payload = mask_with(mask, payload)
        return first & 0x80 != 0, first & 0x0F, payload

    def message(self):
        """The next message, without the pings before it: (opcode, payload)."""
        kind, whole = 0, b""
        while True:
            fin, opcode, payload = self.frame()
            if opcode in (PING, PONG):
                continue
            kind, whole = kind or opcode, whole + payload
            if fin:
                return kind, whole

    def close_code(self):
        """Skips everything until the peer's Close: its code, 1005 for none."""
        opcode = 0
        while opcode != CLOSE:
            _, opcode, payload = self.frame()
        return struct.unpack(">H", payload[:2])[0] if payload else 1005

    def ended(self):
        """Whether the peer closes the connection and sends nothing more."""
        return self.rest == b"" and self.sock.recv(1) == b""


def read_head(sock):
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise EOFError(f"no opening handshake, only {data!r}")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.decode("latin-1"), rest


def answer_of(key):
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


@contextlib.contextmanager
def client(url, *fields):
    """A client of a `weir echo`, from the URL that it printed, with further fields."""
    if url.startswith("ws+unix:"):
        address, path = url[len("ws+unix:"):].partition(":")[::2]
        sock = socket.socket(socket.AF_UNIX)
    else:
        authority, _, path = url[len("ws://"):].partition("/")
        host, _, port = authority.rpartition(":")
        address, path = (host, int(port)), "/" + path
        sock = socket.socket()
    with sock:
        sock.settimeout(TIMEOUT)
        sock.connect(address)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path or '/'} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *fields]
        sock.sendall("".join(line + "\r\n" for line in lines + [""]).encode())
        head, rest = read_head(sock)
        assert head.startswith("HTTP/1.1 101 "), head
        peer = Peer(sock, head, rest, masks=True)
        assert peer.field("Sec-WebSocket-Accept") == [answer_of(key)], head
        yield peer


def accept(sock, *fields):
    """The server's side of an upgrade, with further fields. Returns the peer."""
    head, rest = read_head(sock)
    peer = Peer(sock, head, rest, masks=False)
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
             "Sec-WebSocket-Accept: " + answer_of(peer.field("Sec-WebSocket-Key")[0]), *fields]
    sock.sendall("".join(line + "\r\n" for line in lines + [""]).encode())
    return peer


@contextlib.contextmanager
def server(serve):
    """serve(socket) is called with one connection, in a thread; what it raises is raised here at the end. Yields the URL."""
    raised = []

    def run():
        try:
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(TIMEOUT)
                serve(sock)
        except BaseException as exception:  # pylint: disable=broad-except
            raised.append(exception)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            thread.join()
    if raised:
        raise raised[0]


class Process:
    """The command, running; its standard error can be waited for."""

    def __init__(self, *arguments, **pipes):
        self.process = subprocess.Popen([WEIR, *arguments], stderr=subprocess.PIPE, **pipes)
        self.said = ""
        self.signaled = False

    def wait_for(self, text, after=0):
        """Reads standard error until it holds the text; returns where that ends."""
        deadline = time.monotonic() + TIMEOUT
        while text not in self.said[after:]:
            ready, _, _ = select.select([self.process.stderr], [], [], max(0, deadline - time.monotonic()))
            more = os.read(self.process.stderr.fileno(), 65536).decode() if ready else ""
            assert more, f"{text!r} was never said, only {self.said!r}"
            self.said += more
        return self.said.index(text, after) + len(text)

    def signal(self, number):
        self.signaled = number in (signal.SIGINT, signal.SIGTERM)
        self.process.send_signal(number)

    def end(self):
        """Waits until it has ended by itself; returns the exit status."""
        status = self.process.wait(TIMEOUT)
        self.said += self.process.stderr.read().decode()
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # when it ended before it read all
                    pipe.close()


class Echo(Process):
    """A `weir echo` that listens at .url. The end of the block ends it with SIGTERM, unless that was done, and it has to end with 0."""

    def __init__(self, *arguments, url="ws://127.0.0.1:0/"):
        super().__init__("echo", url, *arguments)
        self.wait_for("\n")
        first = self.said.splitlines()[0]
        assert first.startswith("listening on "), first
        self.url = first[len("listening on "):]

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                if not self.signaled:
                    self.signal(signal.SIGTERM)
                status = self.end()
                assert status == 0, f"echo ended with {status}: {self.said}"
        finally:
            super().__exit__(kind, *_)


def has_deflate():
    """Whether compression is built in."""
    return "deflate" in weir("--version")[1].decode().split()


def weir(*arguments, stdin=b"", **options):
    """Runs the command to its end: (status, standard output, standard error as text)."""
    done = subprocess.run([WEIR, *arguments], input=stdin, capture_output=True, timeout=TIMEOUT, check=False, **options)
    return done.returncode, done.stdout, done.stderr.decode()
