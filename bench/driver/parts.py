"""What is measured: each part drives the servers and returns its figures as plain data."""

import os
import re
import statistics
import subprocess

from driver.servers import BUILD, Failure, count_system_calls, drive, run, running, sample_user_share

# name: options of the generator
WORKLOADS = {
    "64 B x 100, depth 1": ["--size", "64", "--connections", "100"],
    "64 B x 16, depth 32": ["--size", "64", "--connections", "16", "--depth", "32"],
    "16 KiB x 16, depth 1": ["--size", "16K", "--connections", "16", "--binary"],
    "1 MiB x 4, depth 1": ["--size", "1M", "--connections", "4", "--binary"],
}
YARDSTICK = "raw epoll"
JSON_MESSAGES = ["--size", "1K", "--connections", "16", "--depth", "4"]
HANDSHAKES = ["--handshakes", "--connections", "16"]
LIGHT = ["--connections", "1000", "--rate", "2000"]
SCALE = [10, 30, 100, 300, 1000, 3000, 10000, 15000]


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


class Bench:
    """The servers, how long each run takes, and what was found."""

    def __init__(self, servers, full, say):
        self.servers, self.full, self.say = servers, full, say
        self.seconds = 2 if full else 1
        self.rounds = 5 if full else 2
        self.results = {}

    def named(self, *names):
        return [server for server in self.servers if server.name in names]

    @staticmethod
    def is_central(server):
        """Measured at length in the short form as well."""
        return server.name in (YARDSTICK, "weir epoll", "weir io_uring")

    def quietly(self, work, *arguments):
        """The figures of a run. None: it failed, and that was printed."""
        try:
            return work(*arguments)
        except Failure as failure:
            self.say(f"  failed: {failure}")
            return None

    def in_turns(self, processes, rounds, *options):
        """Measures in turns, round by round, so that a change of the machine's speed affects all: {name: [figures or None of each round]}."""
        found = {process.server.name: [] for process in processes}
        for index in range(rounds):
            shift = index % len(processes)  # no server always follows the same one
            for process in processes[shift:] + processes[:shift]:
                few = not self.full and index > 0 and not self.is_central(process.server)
                found[process.server.name].append(
                    None if few else self.quietly(drive, process, "--seconds", self.seconds, *options))
        return found


def start_all(stack, servers, *options):
    return [stack.enter_context(running(server, *options)) for server in servers]


def ratios_of(rounds, yardstick):
    """A figure of each round beside the yardstick's in the same round."""
    return median([one["per_second"] / other["per_second"] for one, other in zip(rounds, yardstick)
                   if one and other and other["per_second"] > 0])


def summary(rounds, yardstick):
    good = [figures for figures in rounds if figures]
    if not good:
        return None
    cpu = [one["server"]["us_per_message"] / other["server"]["us_per_message"] for one, other in zip(rounds, yardstick)
           if one and other and other["server"]["us_per_message"] > 0]
    messages = sum(figures["count"] for figures in good)
    return {
        "per_second": median([figures["per_second"] for figures in good]),
        "megabytes_per_second": median([figures["megabytes_per_second"] for figures in good]),
        "ratio": ratios_of(rounds, yardstick),
        "cpu_us": median([figures["server"]["us_per_message"] for figures in good]),
        "cpu_ratio": median(cpu),
        "user_us": sum(figures["server"]["user_ns"] for figures in good) / 1000 / max(1, messages),
        "server_cpu": median([figures["server"]["cpu"] for figures in good]),
        "median_us": median([figures["latency_us"]["median"] for figures in good]),
        "p99_us": median([figures["latency_us"]["p99"] for figures in good]),
        "generator_cpu": median([figures["generator"]["cpu"] for figures in good]),
        "saturated": any(figures["generator"]["saturated"] for figures in good),
        "rounds": len(good),
    }


def summaries(found):
    yardstick = found.get(YARDSTICK, [])
    return {name: summary(rounds, yardstick or rounds) for name, rounds in found.items()}


# --- the parts ---

def throughput(bench, stack):
    """Messages a second, processor time and system calls a message."""
    processes = start_all(stack, bench.servers)
    table = bench.results["throughput"] = {}
    for workload, options in WORKLOADS.items():
        bench.say(f"  {workload}")
        table[workload] = rows = summaries(bench.in_turns(processes, bench.rounds, *options))
        for process in processes:
            row = rows[process.server.name]
            if row is None or not (bench.full or bench.is_central(process.server)):
                continue
            row["system_calls"] = bench.quietly(count_system_calls, process, "--seconds", 1, *options)
            share = bench.quietly(sample_user_share, process, "--seconds", bench.seconds, *options)
            row["user_from"] = "ticks" if share is None else "samples"
            if share is not None:
                row["user_us"] = share * row["cpu_us"]


def memory(bench, _):
    """Resident memory of idle sessions, each server in a fresh process. The memory that the first connection touches, mostly code, is no part of a session."""
    table = bench.results["memory"] = {}
    idle = 10000 if bench.full else 2000
    for server in bench.servers:
        if server.kind == "peer" and not bench.full:
            continue
        with running(server) as process:
            bench.quietly(drive, process, "--connections", 1, "--count", 1, "--seconds", 5)
            figures = bench.quietly(drive, process, "--connections", 0, "--idle", idle, "--seconds", 1)
        table[server.name] = figures and {"idle": idle, "bytes": figures["server"]["bytes_per_connection"]}


def handshakes(bench, stack):
    """Connect, upgrade, one message, close; raw: the same bytes both ways over a connection of its own."""
    servers = [server for server in bench.servers if bench.full or bench.is_central(server)]
    bench.results["handshakes"] = summaries(bench.in_turns(start_all(stack, servers), bench.rounds, *HANDSHAKES))


def compression(bench, stack):
    """1 KiB of JSON, echoed with permessage-deflate, each message by itself and with context takeover."""
    table = bench.results["compression"] = {}
    for mode in ("apart", "takeover"):
        option = {"apart": "--deflate", "takeover": "--deflate=takeover"}[mode]
        servers = [server for server in bench.servers if mode in server.modes]
        if not bench.full:
            servers = [server for server in servers if server.name in ("weir epoll", "weir io_uring", "Beast", "node ws")]
        processes = [stack.enter_context(running(server, *server.modes[mode])) for server in servers]
        table[mode] = summaries(bench.in_turns(processes, bench.rounds, option, *JSON_MESSAGES))


def fairness(bench, stack):
    """1,000 light sessions, alone and beside one that streams at full speed: the latency of their answers."""
    table = bench.results["fairness"] = {}
    servers = bench.named(YARDSTICK, "weir epoll", "weir io_uring")
    processes = start_all(stack, servers)
    alone = bench.in_turns(processes, bench.rounds, *LIGHT)
    beside = bench.in_turns(processes, bench.rounds, *LIGHT, "--streams", "1")
    for name in alone:
        quiet = median([one["latency_us"]["p99"] for one in alone[name] if one])
        busy = median([one["latency_us"]["p99"] for one in beside[name] if one])
        table[name] = {
            "alone_p99_us": quiet,
            "beside_p99_us": busy,
            "factor": busy / quiet if quiet and busy else None,
            "stream_megabytes_per_second": median([one["stream_megabytes_per_second"] for one in beside[name] if one]),
        }


def sessions_possible(bench):
    return SCALE[-1] if bench.full else 3000


def scale_cost(bench, stack):
    """Processor time a message, from few active sessions to all."""
    processes = start_all(stack, bench.named(YARDSTICK, "weir epoll", "weir io_uring"))
    table = {process.server.name: {} for process in processes}
    for active in SCALE:
        if active > sessions_possible(bench):
            break
        found = bench.in_turns(processes, bench.rounds if bench.full else 1, "--connections", active)
        for name, row in summaries(found).items():
            table[name][active] = row and {"cpu_us": row["cpu_us"], "cpu_ratio": row["cpu_ratio"], "per_second": row["per_second"]}
    return table


def scale_idle(bench):
    """Many idle sessions with pings every minute, and 100 busy ones among them."""
    idle = sessions_possible(bench) - 100
    table = {}
    for server in bench.named("weir epoll", "weir io_uring"):
        with running(server, "--ping-interval", "60000") as process:
            quiet = bench.quietly(drive, process, "--connections", 0, "--idle", idle, "--seconds", 65) if bench.full else None
        with running(server, "--ping-interval", "60000") as process:
            alone, among = [], []
            for _ in range(bench.rounds):
                options = ["--seconds", bench.seconds, "--connections", 100]
                alone.append(bench.quietly(drive, process, *options))
                among.append(bench.quietly(drive, process, *options, "--idle", idle))
        table[server.name] = {"idle": idle, "idle_cpu": quiet and quiet["server"]["cpu"], "kept": ratios_of(among, alone)}
    return table


def in_memory(bench):
    """Sessions over streams in memory: the cost of more idle sessions than a process may have sockets."""
    program = BUILD / "bench/bench_scale"
    if not program.exists() or not bench.full:
        return None
    done = run([str(program)])
    found = re.search(r"in memory: (\d+) sessions, ([\d.]+) % of a core", done.stdout)
    return found and {"sessions": int(found.group(1)), "cpu": float(found.group(2)) / 100, "text": done.stdout.strip()}


def scale(bench, stack):
    """The cost with many sessions."""
    bench.results["scale"] = {"cost": scale_cost(bench, stack), "idle": scale_idle(bench), "in_memory": in_memory(bench)}


# --- what other programs of bench/ measure ---

def output_of(bench, program):
    path = BUILD / "bench" / program
    if not path.exists():
        bench.say(f"  {program} is not built")
        return ""
    done = subprocess.run([str(path)], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        bench.say(f"  {program} ended with {done.returncode}")
    return done.stdout


def number(text, pattern):
    found = re.search(pattern, text, re.MULTILINE)
    return float(found.group(1)) if found else None


def micro(bench, _):
    """Parts of the library. A ratio to a yardstick in the same run is the median of all runs. A time is the least of all runs, because other work on the machine can only add to it."""
    runs = [output_of(bench, "bench_wire") + output_of(bench, "bench_coroutine") for _ in range(5 if bench.full else 3)]
    figures = bench.results["micro"] = {"text": runs[-1]}

    def all_of(pattern):
        return [found for found in (number(text, pattern) for text in runs) if found is not None]

    for name, size in (("1 KiB", 1024), ("64 KiB", 65536), ("1 MiB", 1048576)):
        figures[f"masking, {name}"] = median(all_of(rf"^mask in place / memcpy +{size} B.* ratio ([\d.]+)"))
        figures[f"UTF-8 of ASCII, {name}"] = median(all_of(rf"^UTF-8 of ASCII / memcpy +{size} B.* ratio ([\d.]+)"))
        figures[f"UTF-8 of mixed text, {name}"] = median(all_of(rf"^UTF-8 of mixed text / table +{size} B.* ratio ([\d.]+)"))
    figures["header"] = min(all_of(r"^header of a masked frame .* median +([\d.]+)"), default=None)
    for name, line in (("switch", "switch"), ("channel", "hand-over by a channel of 8"),
                       ("rendezvous", "hand-over by a channel without queue"), ("spawn", r"spawn \+ join"),
                       ("timer", r"timer set \+ cancelled, 100,000 armed")):
        figures[name] = min(all_of(rf"^{line}  +ns .* median +([\d.]+)"), default=None)


def deflate_alone(bench, _):
    """The codec without sockets."""
    text = output_of(bench, "bench_deflate")
    bench.results["deflate"] = {
        "text": text,
        "libdeflate": number(text, r"^libdeflate echoes +([\d.]+) times"),
        "idle_bytes": number(text, r"^no takeover +(\d+) B a session"),
    }


def allocations(bench, _):
    """Whether messages allocate once a conversation has begun. A test counts."""
    program = BUILD / "tests/test_ws_steady"
    table = bench.results["allocations"] = {}
    for server in bench.named("weir epoll", "weir io_uring"):
        loop = server.name.split()[1]
        table[server.name] = run([str(program)], env=dict(os.environ, WEIR_LOOP=loop)).returncode == 0 if program.exists() else None


def others(bench, _):
    """The output of the remaining programs of bench/: a line each, or several."""
    said = bench.results["others"] = {}
    for path in sorted((BUILD / "bench").glob("bench_*")):
        if path.name not in ("bench_wire", "bench_coroutine", "bench_deflate", "bench_scale"):
            said[path.name] = output_of(bench, path.name).strip()


def sizes(bench, _):
    """Bytes of what is linked."""
    with_strip = BUILD / "libweir.stripped.so"
    library = BUILD / "libweir.so"
    figures = bench.results["sizes"] = {"libweir.so": None, "libweir-wire.a": None}
    if library.exists() and run(["strip", "-o", str(with_strip), str(library.resolve())]).returncode == 0:
        figures["libweir.so"] = with_strip.stat().st_size
        with_strip.unlink()
    sections = re.findall(r"^\.text\S* +(\d+)", run(["size", "-A", str(BUILD / "libweir-wire.a")]).stdout, re.MULTILINE)
    if sections:
        figures["libweir-wire.a"] = sum(map(int, sections))


PARTS = {
    "throughput": throughput, "handshakes": handshakes, "memory": memory, "compression": compression, "fairness": fairness,
    "scale": scale, "micro": micro, "deflate": deflate_alone, "allocations": allocations, "sizes": sizes, "others": others,
}
SHORT = ("throughput", "handshakes", "memory", "compression", "micro", "allocations", "sizes", "others")
