"""The servers that are measured: how each is built, started on a core of its own, driven and traced."""

import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD_DIR", ROOT / "build/release"))
WEIR = os.environ.get("WEIR_BIN", str(BUILD / "weir"))
PEERS = ROOT / "bench/peers"
BUILT = ROOT / "build/peers"
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, GENERATOR_CORE = CORES[0], CORES[min(1, len(CORES) - 1)]
FILES_NEEDED = 1100  # a process may open so many, or little can be measured


class Unavailable(Exception):
    """Why a server cannot be measured here."""


def on_core(core):
    return lambda: os.sched_setaffinity(0, {core})


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


class Server:
    """One contestant. modes: the arguments that make it compress, by "apart" and "takeover"; a mode that is missing is not supported."""

    def __init__(self, name, kind, command, modes=None, prepare=None):
        self.name, self.kind, self.command, self.modes = name, kind, command, modes or {}
        self.prepare = prepare or (lambda: None)

    def __str__(self):
        return self.name


# --- what has to be built ---

def compile_peer(source, output, command, needs):
    """Builds a peer unless that is done. Unavailable: its package is missing."""
    tool = command[0]
    if not shutil.which(tool):
        raise Unavailable(f"{tool} is not installed")
    source, output = PEERS / source, BUILT / output
    if output.exists() and output.stat().st_mtime > source.stat().st_mtime:
        return
    BUILT.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ, GOPATH="/usr/share/gocode", GO111MODULE="off", GOFLAGS="")
    done = run([part.format(source=source, output=output) for part in command], env=environment)
    if done.returncode != 0:
        lines = (done.stderr.strip() or "?").splitlines()
        raise Unavailable(f"{needs} is not installed, or does not fit: {lines[0]}")


def prepare_libwebsockets():
    flags = run(["pkg-config", "--cflags", "--libs", "libwebsockets"])
    if flags.returncode != 0:
        raise Unavailable("libwebsockets-dev is not installed")
    compile_peer("libwebsockets_echo.c", "libwebsockets_echo",
                 ["gcc", "-O2", "-DNDEBUG", "{source}", "-o", "{output}", *flags.stdout.split()], "libwebsockets-dev")


def prepare_beast():
    compile_peer("beast_echo.cpp", "beast_echo",
                 ["g++", "-O2", "-DNDEBUG", "-std=c++17", "{source}", "-o", "{output}", "-pthread"], "libboost-dev")


def prepare_gorilla():
    compile_peer("gorilla_echo.go", "gorilla_echo", ["go", "build", "-o", "{output}", "{source}"],
                 "golang-github-gorilla-websocket-dev")


def prepare_ws():
    if not shutil.which("node"):
        raise Unavailable("node is not installed")
    if run(["node", "-e", "require('ws')"]).returncode != 0:
        raise Unavailable("npm ws is not installed")


def prepare_websockets():
    if run(["/usr/bin/python3", "-c", "import websockets"]).returncode != 0:
        raise Unavailable("python3-websockets is not installed")


def has_loop(loop):
    def check():
        loops = re.search(r"^loops here:(.*?)\(", run([WEIR, "--version"]).stdout, re.MULTILINE)
        if not loops or loop not in loops.group(1).split():
            raise Unavailable("not built in, or the kernel refuses it")
    return check


def prepare_raw(name):
    def check():
        if not (BUILD / "bench" / name).exists():
            raise Unavailable("not built: liburing is not installed")
    return check


def weir(loop, *options):
    return [WEIR, "echo", "ws://127.0.0.1:0/", "--loop", loop, "--ping-interval", "none", *options]


BOTH = {"apart": ["--deflate"], "takeover": ["--deflate=takeover"]}
APART = {"apart": ["--deflate"]}

SERVERS = [
    Server("raw epoll", "raw", [str(BUILD / "bench/raw_epoll")], prepare=prepare_raw("raw_epoll")),
    Server("raw io_uring", "raw", [str(BUILD / "bench/raw_uring")], prepare=prepare_raw("raw_uring")),
    Server("weir epoll", "weir", weir("epoll"), BOTH, has_loop("epoll")),
    Server("weir io_uring", "weir", weir("io_uring"), BOTH, has_loop("io_uring")),
    Server("weir epoll, on_message", "weir", weir("epoll", "--on-message"), BOTH, has_loop("epoll")),
    Server("weir io_uring, on_message", "weir", weir("io_uring", "--on-message"), BOTH, has_loop("io_uring")),
    Server("libwebsockets", "peer", [str(BUILT / "libwebsockets_echo")], APART, prepare_libwebsockets),
    Server("Beast", "peer", [str(BUILT / "beast_echo")], BOTH, prepare_beast),
    Server("node ws", "peer", ["node", str(PEERS / "ws_echo.mjs")], BOTH, prepare_ws),
    Server("gorilla", "peer", [str(BUILT / "gorilla_echo")], APART, prepare_gorilla),
    Server("python websockets", "peer", ["/usr/bin/python3", "-B", str(PEERS / "websockets_echo.py")], BOTH,
           prepare_websockets),
]


def available(say):
    """The servers that can be measured here. Prints which cannot, and why."""
    usable = []
    for server in SERVERS:
        try:
            server.prepare()
            usable.append(server)
        except Unavailable as reason:
            say(f"not measured: {server}: {reason}")
    return usable


# --- running ---

class Running:
    """A server that listens at .url, alone on its core."""

    def __init__(self, server, *options):
        self.server = server
        environment = dict(os.environ, GOMAXPROCS="1")
        self.log = tempfile.TemporaryFile()  # it is not read later, but writing must not block the server
        read, write = os.pipe()
        with os.fdopen(read) as said:
            self.process = subprocess.Popen([*server.command, *options], stdin=subprocess.DEVNULL, stdout=write,
                                            stderr=write if server.kind == "weir" else self.log, env=environment,
                                            preexec_fn=on_core(SERVER_CORE))
            os.close(write)
            line = said.readline()
        found = re.match(r"listening on (\S+)", line)
        if not found:
            self.stop()
            raise RuntimeError(f"{server} does not listen: {line!r}")
        self.url = found.group(1)
        self.pid = self.process.pid

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()


@contextlib.contextmanager
def running(server, *options):
    """A fresh process of a server."""
    process = Running(server, *options)
    try:
        yield process
    finally:
        process.stop()


class Failure(Exception):
    """A run that gave no figures."""


def generator(process, *options):
    return [WEIR, "bench", process.url, "--json", "--pid", str(process.pid), *map(str, options)]


def read_figures(process, done):
    if done.returncode != 0:
        raise Failure(f"{process.server}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def drive(process, *options):
    """The figures of one run of the generator, on its own core."""
    done = run(generator(process, *options), preexec_fn=on_core(GENERATOR_CORE))
    return read_figures(process, done)


# --- tracing a server while it is driven, which slows it: never in a round that counts ---

def can_perf():
    return bool(shutil.which("perf")) and \
        run(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "true"]).returncode == 0


def count_system_calls(process, *options):
    """System calls a message; None when nothing here can count them."""
    if can_perf():
        with tempfile.NamedTemporaryFile("r") as counted:
            done = run(["perf", "stat", "-x,", "-o", counted.name, "-e", "raw_syscalls:sys_enter", "-p", str(process.pid), "--",
                        *generator(process, *options)], preexec_fn=on_core(GENERATOR_CORE))
            lines = [line.split(",") for line in counted.read().splitlines() if "sys_enter" in line]
        calls = int(lines[0][0])
    elif shutil.which("strace"):
        with tempfile.NamedTemporaryFile("r") as counted:
            with subprocess.Popen(["strace", "-c", "-f", "-o", counted.name, "-p", str(process.pid)],
                                  stderr=subprocess.PIPE) as tracer:
                tracer.stderr.readline()  # it is attached
                done = run(generator(process, *options), preexec_fn=on_core(GENERATOR_CORE))
                tracer.send_signal(signal.SIGINT)
            total = re.search(r"^100\.00\s+\S+\s+(?:\S+\s+)?(\d+).* total$", counted.read(), re.MULTILINE)
        calls = int(total.group(1)) if total else 0
    else:
        return None
    return calls / max(1, read_figures(process, done)["count"])


def is_behind_a_system_call(memory, place):
    """An interrupt that the kernel has deferred comes at the first instruction outside: the time was the kernel's."""
    try:
        memory.seek(place - 2)
        return memory.read(2) == b"\x0f\x05"  # syscall, on x86-64
    except OSError:
        return False


def sample_user_share(process, *options):
    """The part of its processor time that a server spends outside the kernel, 0..1; None when it cannot be sampled."""
    if not can_perf():
        return None
    with tempfile.NamedTemporaryFile() as samples:
        done = run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "9973", "-p", str(process.pid), "-o", samples.name, "--",
                    *generator(process, *options)], preexec_fn=on_core(GENERATOR_CORE))
        read_figures(process, done)
        script = run(["perf", "script", "-i", samples.name, "-F", "ip"]).stdout
    places = collections.Counter(int(place, 16) for place in script.split())
    if not places:
        return None
    with open(f"/proc/{process.pid}/mem", "rb", buffering=0) as memory:
        user = sum(count for place, count in places.items() if place < 1 << 63 and not is_behind_a_system_call(memory, place))
    return user / places.total()
