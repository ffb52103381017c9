"""Runs cases against weir: as a server (`weir echo`) and as a client (the example fuzzing_client_driver)."""

import asyncio
import itertools
import os
import re
import signal
import socket
from urllib.parse import parse_qs, urlsplit

from model import Case, Send, text
from peer import FAILED, UNIMPLEMENTED, Connection, Failed, Result, check_request, play_case, shake_hands_with_client, shake_hands_with_server

AT_ONCE = 24  # light cases
HEAVY_AT_ONCE = 2  # with weir as a server
SHARDS = 6  # drivers of light cases beside each other
END_TIMEOUTS = 4  # a process may take so many timeouts of a case to end


class Processes:
    """Where the programs are, and how long a case waits for them."""

    def __init__(self, build, backend, timeout, enough):
        self.weir = os.path.join(build, "weir")
        self.driver = os.path.join(build, "examples", "fuzzing_client_driver")
        self.environment = dict(os.environ, WEIR_LOOP=backend)
        self.timeout = timeout
        self.failures_left = enough  # after so many failures no more cases are run

    def note(self, result):
        self.failures_left -= result.verdict == FAILED
        return result

    async def start(self, *words):
        return await asyncio.create_subprocess_exec(*words, env=self.environment, stdout=asyncio.subprocess.DEVNULL,
                                                    stderr=asyncio.subprocess.PIPE)


def is_heavy(case):
    return case.weight > 1


def unimplemented(cases):
    return [Result(case, UNIMPLEMENTED) for case in cases]


# ---- weir as a server ----


async def play_against_server(processes, cases, host, port, limits):
    async def play(case):
        async with limits[is_heavy(case)]:
            if processes.failures_left <= 0:
                return Result(case, FAILED, "not tried: enough has failed")
            sock = socket.socket()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                await asyncio.get_running_loop().sock_connect(sock, (host, port))
            except OSError as error:
                return Result(case, FAILED, f"no connection: {error}")
            connection = Connection(sock, "server", processes.timeout)
            return processes.note(await play_case(connection, case, shake_hands_with_server(connection, case, f"{host}:{port}")))

    return await asyncio.gather(*map(play, cases))


async def run_one_server(processes, cases, options):
    """A server with its options, from its first line to its exit status."""
    server = await processes.start(processes.weir, "echo", "ws://127.0.0.1:0", "--ping-interval", "none", *options)
    words = []
    try:
        line = (await server.stderr.readline()).decode()
        where = re.match(r"listening on ws://(.*):(\d+)", line)
        if not where:
            raise SystemExit(f"weir echo does not listen: {line}")
        keep_words = asyncio.create_task(collect(server.stderr, words))
        limits = {False: asyncio.Semaphore(AT_ONCE), True: asyncio.Semaphore(HEAVY_AT_ONCE)}
        results = await play_against_server(processes, cases, where[1], int(where[2]), limits)
        if server.returncode is None:
            server.send_signal(signal.SIGTERM)
        await end(server, processes.timeout)
        await keep_words
    finally:
        kill(server)
    if server.returncode != 0 or words:
        lost = Case("server", f"`weir echo {' '.join(options)}` ends in order", ())
        results.append(Result(lost, FAILED, f"exit status {server.returncode}: {''.join(words)[-2000:]}"))
    return results


async def end(process, timeout):
    """Waits for a process, and kills one that does not end, which its exit status then says."""
    try:
        await asyncio.wait_for(process.wait(), timeout * END_TIMEOUTS)
    except TimeoutError:
        kill(process)
        await process.wait()


def kill(process):
    if process.returncode is None:
        process.kill()


async def collect(stream, words):
    async for line in stream:
        words.append(line.decode(errors="replace"))


async def run_as_server(processes, cases, with_deflate):
    cases = [case for case in cases if "server" in case.roles]
    results = []

    def options_of(case):
        sizes = case.options or ("--max-message", "16M")
        return (*sizes, case.deflate.option) if case.deflate else sizes

    by_options = itertools.groupby(sorted(cases, key=options_of), key=options_of)
    for options, group in by_options:
        if options[-1].startswith("--deflate") and not with_deflate:
            results += unimplemented(group)
        else:
            results += await run_one_server(processes, list(group), options)
    return results


# ---- weir as a client ----


class FuzzingServer:
    """Asks its client for one case after the other: /getCaseCount, /runCase?case=N&agent=A, /updateReports?agent=A."""

    def __init__(self, cases, timeout):
        self.cases = cases
        self.timeout = timeout
        self.results = {}
        self.tasks = set()
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]

    async def serve(self):
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(self.sock)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = asyncio.create_task(self.answer(Connection(sock, "client", self.timeout)))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def answer(self, connection):
        try:
            start, fields = await connection.read_head()
            key = check_request(start, fields)
        except (Failed, OSError, TimeoutError) as error:
            await connection.dispose()
            self.results[f"handshake {len(self.results)}"] = Result(Case("client", "its handshake", ()), FAILED, str(error))
            return
        target = urlsplit(start.split()[1])
        case = self.case_of(target)
        self.results[case.id] = await play_case(connection, case, shake_hands_with_client(connection, case, key, fields))

    def case_of(self, target):
        if target.path.endswith("/runCase"):
            return self.cases[int(parse_qs(target.query)["case"][0]) - 1]
        if target.path.endswith("/getCaseCount"):
            count = str(len(self.cases)).encode()
            return Case("client", target.path, (Send((text(count),)),))
        return Case("client", target.path, ())


async def run_one_driver(processes, cases, options):
    server = FuzzingServer(cases, processes.timeout)
    serving = asyncio.create_task(server.serve())
    words = []
    driver = await processes.start(processes.driver, *options, f"ws://127.0.0.1:{server.port}", "weir")
    try:
        await collect(driver.stderr, words)
        await end(driver, processes.timeout)
    finally:
        kill(driver)
        await asyncio.gather(*server.tasks)
        serving.cancel()
        server.sock.close()
    results = [server.results.get(case.id, Result(case, FAILED, "it was not asked for")) for case in cases]
    if driver.returncode != 0 or words:
        lost = Case("client", "the driver ends in order", ())
        results.append(Result(lost, FAILED, f"exit status {driver.returncode}: {''.join(words)[-2000:]}"))
    return results


def shards_of(cases):
    """What goes to one driver each. The heavy cases share one: a case that waited for another driver's would run into
    the client's deadline for the opening handshake."""
    light = [case for case in cases if not is_heavy(case)]
    shards = [light[n::SHARDS] for n in range(SHARDS)] + [list(filter(is_heavy, cases))]
    return list(filter(None, shards))


async def run_as_client(processes, cases, with_deflate):
    cases = [case for case in cases if "client" in case.roles]
    jobs, results = [], []
    for options in ((), ("--deflate",)):
        chosen = [case for case in cases if bool(case.deflate) == bool(options)]
        if options and not with_deflate:
            results += unimplemented(chosen)
            continue
        jobs += [run_one_driver(processes, shard, options) for shard in shards_of(chosen)]
    for found in await asyncio.gather(*jobs):
        results += found
    return results
