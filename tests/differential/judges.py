"""What the three implementations make of a stream: wsproto in this process, weir and npm ws over sockets."""

import asyncio
import os
import re
import signal
import socket
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import deflate
from explained import NOTHING
from model import Case
from peer import Connection, Failed, accept_of, check_request, shake_hands_with_server
from streams import DEFLATE
from wire import BINARY, CLOSE, PING, PONG, TEXT, Frame, encode
from wsproto.connection import CLIENT, SERVER, Connection as WsprotoConnection, ConnectionState
from wsproto.events import BytesMessage, CloseConnection, TextMessage
from wsproto.extensions import PerMessageDeflate

TIMEOUT = 20
QUIET = 0.3  # seconds
AT_ONCE = 16
HERE = os.path.dirname(os.path.abspath(__file__))


@dataclass(frozen=True)
class Verdict:
    """The messages that were taken, and the code of the Close that came back: the stream's own when all was right. 1005: an empty one."""

    messages: tuple
    code: int  # or NOTHING

    def __str__(self):
        return f"{self.code} after {len(self.messages)} messages"


# ---- wsproto ----


def wsproto_extensions(stream):
    if stream.deflate is None:
        return []
    extension = PerMessageDeflate()
    extension.finalize(deflate.write(DEFLATE[stream.role][stream.deflate]))
    return [extension]


def ask_wsproto(stream):
    connection = WsprotoConnection(SERVER if stream.role == "server" else CLIENT, wsproto_extensions(stream))
    messages, parts = [], []
    connection.receive_data(stream.data)
    for event in connection.events():
        if isinstance(event, CloseConnection):
            return Verdict(tuple(messages), int(event.code))
        if isinstance(event, (TextMessage, BytesMessage)):
            is_text = isinstance(event, TextMessage)
            parts.append(event.data.encode() if is_text else bytes(event.data))
            if event.message_finished:
                messages.append((TEXT if is_text else BINARY, b"".join(parts)))
                parts = []
    return Verdict(tuple(messages), NOTHING)


# ---- over sockets ----


def messages_of(connection):
    return tuple(event for event in connection.events if event[0] not in (PING, PONG))


async def play(connection, stream, half_close):
    """Sends the stream and reads what comes back to its end. half_close: the stream has no Close, so that perhaps none comes back: when all is quiet its
    end is shown."""
    connection.start_reading()
    await connection.send(stream.data)
    if half_close:
        await connection.wait_for(lambda: connection.over, QUIET)
        connection.sock.shutdown(socket.SHUT_WR)
    if not await connection.wait_for(lambda: connection.over):
        raise Failed("neither a Close nor an end")
    if connection.close is not None and not half_close:
        code = connection.close[0]
        await connection.send(encode(Frame(CLOSE, b"" if code is None else code.to_bytes(2, "big")), stream.role == "server"))
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:  # it is gone already
            pass
    await connection.wait_for(lambda: connection.ended or connection.broken)
    if connection.broken:
        raise Failed(f"it broke a rule itself: {connection.broken}")
    return Verdict(messages_of(connection), NOTHING if connection.close is None else connection.close[0] or 1005)


async def guarded(verdict, connection):
    try:
        return await verdict
    except (Failed, OSError, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        await connection.dispose()


def agree(connection, stream):
    ours, theirs = ("client", "server") if stream.role == "server" else ("server", "client")
    connection.codec = deflate.Codec(DEFLATE[stream.role][stream.deflate], ours, theirs)
    connection.decoder.rsv = 4


async def ask_server(address, stream, half_close):
    sock = socket.create_connection(address)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = Connection(sock, "server", TIMEOUT)
    offer = deflate.write(DEFLATE["server"][stream.deflate]) if stream.deflate else None
    case = Case("stream", str(stream), (), offer=offer, takes=offer)

    async def verdict():
        await shake_hands_with_server(connection, case, f"{address[0]}:{address[1]}")
        return await play(connection, stream, half_close)

    return await guarded(verdict(), connection)


async def ask_all_of_server(address, jobs):
    limit = asyncio.Semaphore(AT_ONCE)

    async def ask(stream, half_close):
        async with limit:
            return stream.seed, await ask_server(address, stream, half_close)

    return dict(await asyncio.gather(*(ask(*job) for job in jobs)))


class StreamServer:
    """Plays the streams to a client that asks for them: /getCaseCount, /runCase?case=N, /updateReports."""

    def __init__(self, jobs):
        self.jobs = jobs
        self.verdicts = {}
        self.tasks = set()
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.url = f"ws://127.0.0.1:{self.sock.getsockname()[1]}"

    async def serve(self):
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(self.sock)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = asyncio.create_task(self.answer(Connection(sock, "client", TIMEOUT)))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def answer(self, connection):
        start, fields = await connection.read_head()
        key = check_request(start, fields)
        target = urlsplit(start.split()[1])
        job = None
        if target.path.endswith("/runCase"):
            job = self.jobs[int(parse_qs(target.query)["case"][0]) - 1]
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept_of(key)}"]
        if job and job[0].deflate:
            lines.append(f"Sec-WebSocket-Extensions: {deflate.write(DEFLATE['client'][job[0].deflate])}")
            agree(connection, job[0])
        await connection.send("\r\n".join(lines + ["", ""]).encode())
        if job:
            self.verdicts[job[0].seed] = await guarded(play(connection, *job), connection)
            return
        if target.path.endswith("/getCaseCount"):
            await connection.send(encode(Frame(TEXT, str(len(self.jobs)).encode()), False))
        await connection.send(encode(Frame(CLOSE, b"\x03\xe8"), False))
        connection.start_reading()
        await connection.wait_for(lambda: connection.over)
        await connection.dispose()


async def ask_client(command, jobs):
    """The verdicts of a client that is driven through the jobs."""
    server = StreamServer(jobs)
    serving = asyncio.create_task(server.serve())
    client = await asyncio.create_subprocess_exec(*command, server.url, "judged", stdout=asyncio.subprocess.DEVNULL)
    try:
        await asyncio.wait_for(client.wait(), TIMEOUT * 10)
    finally:
        if client.returncode is None:
            client.kill()
        await asyncio.gather(*server.tasks)
        serving.cancel()
        server.sock.close()
    return server.verdicts


# ---- processes ----


class WeirEcho:
    """`weir echo` with options, while the `async with` lasts."""

    def __init__(self, weir, options):
        self.command = [weir, "echo", "ws://127.0.0.1:0", "--max-message", "16M", "--ping-interval", "none", *options]

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(*self.command, stderr=asyncio.subprocess.PIPE)
        line = (await self.process.stderr.readline()).decode()
        return ("127.0.0.1", int(re.match(r"listening on ws://.*:(\d+)", line)[1]))

    async def __aexit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        assert await self.process.wait() == 0


class WsEcho:
    """The server of npm ws."""

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec("node", os.path.join(HERE, "ws_peer.mjs"), "server",
                                                            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        return ("127.0.0.1", int(await self.process.stdout.readline()))

    async def __aexit__(self, *_):
        self.process.stdin.close()
        await self.process.wait()


def by_options(jobs):
    """The jobs of each way to start a server of weir."""
    for kind, options in ((None, ()), ("together", ("--deflate=takeover,min=1",)), ("apart", ("--deflate=min=1",))):
        chosen = [job for job in jobs if job[0].deflate == kind]
        if chosen:
            yield options, chosen


async def ask_weir_server(build, jobs):
    verdicts = {}
    for options, chosen in by_options(jobs):
        async with WeirEcho(os.path.join(build, "weir"), options) as address:
            verdicts |= await ask_all_of_server(address, chosen)
    return verdicts


async def ask_ws_server(jobs):
    async with WsEcho() as address:
        return await ask_all_of_server(address, jobs)


async def ask_weir_client(build, jobs):
    driver = os.path.join(build, "examples", "fuzzing_client_driver")
    plain = [job for job in jobs if not job[0].deflate]
    coded = [job for job in jobs if job[0].deflate]
    return await ask_client([driver], plain) | await ask_client([driver, "--deflate"], coded)


async def ask_ws_client(jobs):
    return await ask_client(["node", os.path.join(HERE, "ws_peer.mjs"), "client"], jobs)
