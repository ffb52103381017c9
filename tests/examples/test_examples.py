#!/usr/bin/env python3
# ctest: timeout=120 loops serial
"""Every example runs, and says what its first comment promises. A new example needs an entry here."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time

BUILD = pathlib.Path(os.environ["WEIR_BUILD_DIR"])
SOURCE = pathlib.Path(os.environ["WEIR_SOURCE_DIR"])
WEIR = os.environ["WEIR_BIN"]
PATIENCE_S = 60


def example(name):
    return str(BUILD / "examples" / name)


def run(name, *arguments, stdin=b"", status=0):
    """Runs an example to its end and returns what it printed, as bytes."""
    done = subprocess.run([example(name), *arguments], input=stdin, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == status, (name, arguments, done)
    return done.stdout


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
        self.process.wait(timeout=PATIENCE_S)


def wait_until_open(port):
    for _ in range(PATIENCE_S * 20):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens on {port}")


def connect(url, lines, *arguments, status=0):
    """What `weir connect` prints for these lines."""
    done = subprocess.run([WEIR, "connect", url, "--exit-on-eof", *arguments], input=lines,
                          capture_output=True, timeout=PATIENCE_S)
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
        watched = run("watch", url, "2").decode()
        assert watched.count("-> Frame TEXT (fin=true, size=4)") == 2, watched
        assert "the close reason: NORMAL (1000)" in watched and "<- Frame PONG" in watched, watched
        check_gateway(url)


def check_gateway(url):
    with Server("gateway", url) as gateway:
        port = int(gateway.place.rsplit(":")[-1])
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as plain:
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
                                  capture_output=True, timeout=PATIENCE_S)
            assert done.returncode != 0 and wanted in done.stderr, done


def check_those_that_end_by_themselves():
    digest = 0
    for _ in range(1 << 20):
        digest = (digest * 31 + ord("*")) & 0xFFFFFFFF
    assert run("pieces", "1").decode() == f"1048576 bytes, sum {digest:08x}\nclosed: closed normally\n"
    assert run("embed_poll").endswith(b"the host hears of answer 3\n3 answers\n")
    answers = sorted(run("workers").splitlines())
    assert answers == [b"fibonacci(10) = 55", b"fibonacci(50) = 12586269025",
                       b"fibonacci(80) = 23416728348467685"], answers
    raw = run("raw").decode()
    assert "server got Frame PING (fin=true, size=10)" in raw and raw.endswith("client ended: closed normally\n"), raw
    halves = run("halves").decode()
    assert "IS ANYBODY THERE?\n" in halves and "\n0 bytes left to write: " in halves, halves
    pipeline = run("pipeline").decode()
    assert "sum of squares: 385" in pipeline and "a failure: WEIR_ELIMIT; coroutines left: 1" in pipeline, pipeline
    worlds = run("simulated", "1", "20").decode().splitlines()
    assert len(worlds) == 21 and "24 greetings in 24 hours" in worlds[0], worlds


def check_dissect():
    sample = run("dissect", "--sample")
    seen = run("dissect", stdin=sample).decode()
    assert seen.count("Frame") == 5 and '"a whole one"' in seen and "NORMAL (1000) bye" in seen, seen
    assert b"inside a frame" in run("dissect", stdin=sample[:-1])
    assert b"byte 0: 5.2" in run("dissect", stdin=b"\xf1\x00", status=1)


def check_embed_uv():
    if not os.path.exists(example("embed_uv")):
        print("embed_uv: not built, libuv is missing")
        return
    out = run("embed_uv").decode()
    assert "hello from libuv's loop" in out and out.count("libuv's own timer") == 3, out


CHECKED = {
    "echo": check_clients_of_echo, "client": None, "sans_io": None, "watch": None, "gateway": None,
    "counter": check_counter, "guarded": check_guarded, "dissect": check_dissect, "embed_uv": check_embed_uv,
    "pieces": check_those_that_end_by_themselves, "embed_poll": None, "workers": None, "raw": None, "halves": None,
    "pipeline": None, "simulated": None,
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
