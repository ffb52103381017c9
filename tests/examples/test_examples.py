#!/usr/bin/env python3
# ctest: timeout=120 loops serial
"""Every example runs, and prints what its first comment says. A new example needs an entry here."""

import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import threading
import time

BUILD = pathlib.Path(os.environ["WEIR_BUILD_DIR"])
SOURCE = pathlib.Path(os.environ["WEIR_SOURCE_DIR"])
WEIR = os.environ["WEIR_BIN"]
TIMEOUT_S = 60
HAS_DEFLATE = "deflate" in subprocess.run([WEIR, "--version"], capture_output=True, text=True, check=True).stdout.split()


def example(name):
    return str(BUILD / "examples" / name)


def run(name, *arguments, stdin=b"", status=0):
    """Runs an example to its end and returns what it printed, as bytes."""
    done = subprocess.run([example(name), *arguments], input=stdin, capture_output=True, timeout=TIMEOUT_S)
    assert done.returncode == status, (name, arguments, done)
    return done.stdout


def complain(name, *arguments, stdin=b""):
    """The exit status of an example, and what it says on standard error."""
    done = subprocess.run([example(name), *arguments], input=stdin, capture_output=True, timeout=TIMEOUT_S)
    return done.returncode, done.stderr


class Server:
    """An example that serves until it is stopped; the place where it listens is in its output."""

    def __init__(self, name, *arguments, wait_for=rb"listening on (\S+)"):
        self.process = subprocess.Popen([example(name), *arguments], stdout=subprocess.PIPE)
        self.place = re.search(wait_for, self.process.stdout.readline()).group(1).decode() if wait_for else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.stdout.close()
        self.process.wait(timeout=TIMEOUT_S)


def wait_until_open(port):
    for _ in range(TIMEOUT_S * 20):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens on {port}")


def connect(url, lines, *arguments, status=0):
    """What `weir connect` prints for these lines."""
    done = subprocess.run([WEIR, "connect", url, "--exit-on-eof", *arguments], input=lines,
                          capture_output=True, timeout=TIMEOUT_S)
    assert done.returncode == status, done
    return done.stdout, done.stderr


def check_clients_of_echo():
    """echo is the program of the README, with its port; what only needs an echo server is run against it."""
    with Server("echo", wait_for=None):
        wait_until_open(9001)
        url = "ws://127.0.0.1:9001/echo"
        assert run("client") == b"Hello, weir!\n"
        assert run("client", "ws://127.0.0.1:9001/elsewhere", status=1) == b""
        assert run("sans_io", "127.0.0.1", "9001", "/echo") == b"Hello, plain socket!\nsuccess, ended: clean\n"
        unmasked = run("sans_io", "127.0.0.1", "9001", "/echo", "--unmasked", status=1)
        assert b"the server said 1002 5.1" in unmasked, unmasked
        if HAS_DEFLATE:
            watched = run("watch", url, "2").decode()
            assert watched.count("-> Frame TEXT (fin=true, size=4)") == 2, watched
            assert "the close reason: NORMAL (1000)" in watched and "<- Frame PONG" in watched, watched
        else:
            run("watch", url, "2", status=1)
        check_gateway(url)


def check_gateway(url):
    with Server("gateway", url) as gateway:
        port = int(gateway.place.rsplit(":")[-1])
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as plain:
            sent = os.urandom(100000)
            plain.sendall(sent)
            got = b""
            while len(got) < len(sent):
                got += plain.recv(65536)
            assert got == sent
            plain.shutdown(socket.SHUT_WR)
            assert plain.recv(1) == b""


def check_counter():
    with Server("counter", "ws://127.0.0.1:0/count") as counter:
        out, _ = connect(counter.place, b"one\nthree\n")
        assert out == b"send me something\nmessage 1, 3 bytes so far\nmessage 2, 8 bytes so far\n", out
        assert counter.process.stdout.readline() == b"a session ended (clean) after 2 messages\n"


def check_guarded():
    password = ("--header", "Authorization: Bearer open sesame")
    with Server("guarded", "ws://127.0.0.1:0") as guarded:
        base = guarded.place.rstrip("/")
        out, _ = connect(base + "/public?Ada", b"")
        assert out == b"public: hello Ada at /public, we speak nothing special\n", out
        out, _ = connect(base + "/private/room", b"", *password, "--subprotocol", "v1")
        assert out == b"private: hello stranger at /private/room, we speak v1\n", out
        out, _ = connect(base + "/public", b"", "--subprotocol", "v1.experimental")
        assert out.endswith(b"we speak v1.experimental\n"), out
        for refused, wanted in ((("/private/room",), b"401"), (("/nowhere",), b"404"),
                                (("/public", "--origin", "https://evil.example"), b"403")):
            done = subprocess.run([WEIR, "connect", base + refused[0], *refused[1:]], input=b"",
                                  capture_output=True, timeout=TIMEOUT_S)
            assert done.returncode != 0 and wanted in done.stderr, done


def check_those_that_end_by_themselves():
    digest = 0
    for _ in range(1 << 20):
        digest = (digest * 31 + ord("*")) & 0xFFFFFFFF
    assert run("pieces", "1").decode() == f"1048576 bytes, sum {digest:08x}\nclosed: closed normally\n"
    assert run("embed_poll").endswith(b"the host is notified of answer 3\n3 answers\n")
    answers = sorted(run("workers").splitlines())
    assert answers == [b"fibonacci(10) = 55", b"fibonacci(50) = 12586269025",
                       b"fibonacci(80) = 23416728348467685"], answers
    raw = run("raw").decode()
    assert "server got Frame PING (fin=true, size=10)" in raw and raw.endswith("client ended: closed normally\n"), raw
    deflated = run("deflated").decode()
    if HAS_DEFLATE:
        assert deflated.count(", compressed: arrived") == 3 and "agreed: yes" in deflated, deflated
        assert "as they are: arrived" in run("deflated", "2").decode()
    halves = run("halves").decode()
    assert "IS ANYBODY THERE?\n" in halves and "\n0 bytes left to write: " in halves, halves
    pipeline = run("pipeline").decode()
    assert "sum of squares: 385" in pipeline and "a failure: WEIR_ELIMIT; coroutines left: 1" in pipeline, pipeline
    worlds = run("simulated", "1", "20").decode().splitlines()
    assert len(worlds) == 21 and "24 greetings in 24 hours" in worlds[0], worlds


def check_dissect():
    sample = run("dissect", "--sample")
    seen = run("dissect", stdin=sample).decode()
    assert seen.count("Frame") == 6 and '"a whole one"' in seen and "NORMAL (1000) bye" in seen, seen
    assert "control frame number 2, a CLOSE" in seen and "not UTF-8 by itself" in seen, seen
    plain = b"\x01\x02h\xc3" + b"\x80\x01\xa9" + b"\x88\x02\x0b\xb9"
    masked = run("dissect", "--remask", stdin=plain)
    assert len(masked) == len(plain) + 12 and run("dissect", stdin=masked).count(b", masked") == 3, masked
    assert b"not registered" in run("dissect", stdin=masked)
    assert complain("dissect", stdin=sample[:-1]) == (0, b"ends inside a frame's payload\n")
    assert complain("dissect", stdin=sample[:1]) == (0, b"ends inside a frame's header\n")
    status, words = complain("dissect", stdin=b"\xf1\x00")
    assert status == 1 and words.startswith(b"byte 0: 5.2"), words
    assert b"inside a character" in run("dissect", stdin=b"\x81\x01\xc3")


def check_handshake():
    request = (b"GET /chat HTTP/1.1\r\nHost: example.org\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nCookie: a=b\r\n"
               b'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; x="7"\r\n\r\n')
    seen = run("handshake", "x-colour", "permessage-deflate", stdin=request).decode()
    assert "/chat at example.org" in seen and "gives s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n" in seen, seen
    assert "client_max_window_bits\n" in seen and "x = the number 7\n" in seen and "\nCookie: a=b\n" in seen, seen
    assert "HTTP/1.1 101" in seen and "\nSec-WebSocket-Extensions: permessage-deflate\r\n" in seen, seen
    assert seen.count("Sec-WebSocket-Extensions") == 2, seen
    assert run("handshake", stdin=request).count(b"Sec-WebSocket-Extensions") == 1
    assert b"more is needed" in run("handshake", stdin=request[:-2], status=1)
    refused = run("handshake", stdin=request.replace(b": 13", b": 12"), status=1)
    assert b"HTTP/1.1 426" in refused and b"Sec-WebSocket-Version: 13" in refused, refused


def check_sans_io_server():
    with Server("sans_io_server") as server:
        out, _ = connect(server.place, b"one\ntwo\n", "--subprotocol", "mirror")
        assert out == b"one\ntwo\n", out
        host = server.place.removeprefix("ws://").rstrip("/")
        name, port = host.split(":")
        assert run("sans_io", name, port, "/") == b"Hello, plain socket!\nsuccess, ended: clean\n"
        made = run("handmade", server.place).decode()
        assert "\nmade by hand\n" in made and "the server says: PROTOCOL_ERROR (1002)" in made, made
        assert f"to ws://{host}/" in made and "from 127.0.0.1:" in made, made
        for target, wanted in (("/health", b"HTTP/1.1 200"), ("/", b"HTTP/1.1 426")):
            with socket.create_connection((name, int(port)), timeout=TIMEOUT_S) as plain:
                plain.sendall(f"GET {target} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
                assert plain.makefile("rb").read().startswith(wanted)
        check_peers_that_do_not_read(server, (name, int(port)))


def check_peers_that_do_not_read(server, place):
    """Much is sent before anything is read: all comes back. A peer that ends in that state is noticed."""
    payload = os.urandom(60000)
    frame = frame_of(0x82, payload)
    with socket.create_connection(place, timeout=TIMEOUT_S) as peer:
        answers = shake_hands(peer, "/")
        sent = send_until_stuck(peer, frame)
        rest = threading.Thread(target=peer.sendall, args=(frame[sent % len(frame):] + frame_of(0x88, b""),))
        rest.start()
        got = b"".join(payload for opcode, payload in frames_of(answers) if opcode < 8)
        rest.join()
        assert got == payload * (sent // len(frame) + 1), (sent, len(got))
    with socket.create_connection(place, timeout=TIMEOUT_S) as peer:
        shake_hands(peer, "/")
        send_until_stuck(peer, frame)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets
    line = b""
    while not line.startswith((b"ended: lost", b"ended: I/O error")):
        line = server.process.stdout.readline()
        assert line != b"", "it has ended"


def shake_hands(peer, path):
    """A client's opening handshake; returns the file from which the server's frames are to be read."""
    peer.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    answers = peer.makefile("rb")
    while answers.readline() != b"\r\n":
        pass
    return answers


def frame_of(first_byte, payload):
    """A client's frame; its mask key is zero, which is as good as any."""
    size = len(payload)
    head = bytes([first_byte, 0x80 | size]) if size < 126 else bytes([first_byte, 0xfe]) + struct.pack(">H", size)
    return head + bytes(4) + payload


def send_until_stuck(peer, frame):
    """Sends the same frame again and again until the kernel takes no more; returns how many bytes it took."""
    sent = 0
    peer.settimeout(0.3)
    try:
        while True:
            sent += peer.send(frame[sent % len(frame):])
    except TimeoutError:
        peer.settimeout(TIMEOUT_S)
        return sent


def frames_of(stream):
    """The frames of a server, up to its Close, as pairs of opcode and payload."""
    opcode = 0
    while opcode != 8:
        head = stream.read(2)
        opcode, size = head[0] & 15, head[1]
        size = struct.unpack(">H", stream.read(2))[0] if size == 126 else size
        yield opcode, stream.read(size)


def check_chat():
    with Server("chat", "ws://127.0.0.1:0/chat") as chat:
        first = subprocess.Popen([WEIR, "connect", chat.place], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL)
        try:
            hello = first.stdout.readline().decode()
            assert re.match(r"you are guest-\d+; 1 here, 0 messages wait", hello), hello
            out, _ = connect(chat.place, b"good evening\n/ping\n/who\n/quit\n")
            lines = out.decode().splitlines()
            assert len(lines) == 2 and "2 here" in lines[1], lines
            name = lines[0].split(";")[0].removeprefix("you are ")
            assert first.stdout.readline().decode() == f"{name}: good evening\n"
            check_loud_guests(chat.place, first)
        finally:
            first.stdin.close()
            first.terminate()
            first.stdout.close()
            first.wait(timeout=TIMEOUT_S)


def check_loud_guests(place, hearer):
    """A message that is too long or no text ends in a Close. A long line that came in fragments is cut between characters."""
    name, port = place.removeprefix("ws://").removesuffix("/chat").split(":")
    for frame, code in ((frame_of(0x81, b"x" * 101), 1009), (frame_of(0x82, b"x"), 1003)):
        with socket.create_connection((name, int(port)), timeout=TIMEOUT_S) as peer:
            answers = shake_hands(peer, "/chat")
            peer.sendall(frame)
            *_, (opcode, payload) = frames_of(answers)
            assert opcode == 8 and payload.startswith(struct.pack(">H", code)), payload
    with socket.create_connection((name, int(port)), timeout=TIMEOUT_S) as peer:
        shake_hands(peer, "/chat")
        peer.sendall(frame_of(0x01, b"x") + 12 * frame_of(0x00, "\u00e9".encode() * 50) + frame_of(0x80, b""))
        line = hearer.stdout.readline().decode()
        assert line.endswith(": x" + 499 * "\u00e9" + "\n"), line


def check_ticker():
    with Server("ticker", "ws://127.0.0.1:0/") as ticker:
        name, port = ticker.place.removeprefix("ws://").removesuffix("/").split(":")
        with socket.create_connection((name, int(port)), TIMEOUT_S) as first, \
                socket.create_connection((name, int(port)), TIMEOUT_S) as second:
            lines = []
            streams = [shake_hands(peer, "/") for peer in (first, second)]
            for stream in streams:
                frames = frames_of(stream)
                lines.append([next(frames)[1].decode() for _ in range(4)])
    numbers = [[int(re.fullmatch(r"line (\d+) for [12]", line).group(1)) for line in own] for own in lines]
    for own in numbers:
        assert own == list(range(own[0], own[0] + 4)), numbers


def check_embed_uv():
    if not os.path.exists(example("embed_uv")):
        print("embed_uv: not built, libuv is missing")
        return
    out = run("embed_uv").decode()
    assert "hello from libuv's loop" in out and out.count("libuv's own timer") == 3, out


CHECKED = {
    "echo": check_clients_of_echo, "client": None, "sans_io": None, "watch": None, "gateway": None,
    "counter": check_counter, "guarded": check_guarded, "dissect": check_dissect, "embed_uv": check_embed_uv,
    "handshake": check_handshake, "sans_io_server": check_sans_io_server, "handmade": None, "chat": check_chat,
    "pieces": check_those_that_end_by_themselves, "embed_poll": None, "workers": None, "raw": None, "deflated": None, "halves": None,
    "pipeline": None, "simulated": None, "ticker": check_ticker,
}

# Another suite drives these.
ELSEWHERE = {"fuzzing_client_driver"}


def main():
    there = {path.stem for path in (SOURCE / "examples").glob("*.c")}
    assert there - ELSEWHERE == set(CHECKED), there.symmetric_difference(CHECKED)
    for name, check in CHECKED.items():
        if check is not None:
            check()
            print("ok", name, flush=True)


if __name__ == "__main__":
    sys.exit(main())
