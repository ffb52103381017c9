"""The targets, each with the figure that was reached and a plain yes or no."""

from driver.parts import WORKLOADS

LOOPS = ("epoll", "io_uring")
KIB = 1024


class Targets:
    def __init__(self, results):
        self.results, self.rows = results, []

    def add(self, number, what, wanted, reached, good):
        """reached None: not measured."""
        self.rows.append({"target": number, "what": what, "wanted": wanted, "reached": "not measured" if reached is None else reached,
                          "yes": None if reached is None else bool(good)})

    def at_most(self, number, what, most, value, unit="", scale=1, digits=2):
        self.bound(number, what, "<=", most, value, unit, scale, digits)

    def at_least(self, number, what, least, value, unit="", scale=1, digits=2):
        self.bound(number, what, ">=", least, value, unit, scale, digits)

    def bound(self, number, what, sign, limit, value, unit, scale, digits):
        good = value is not None and (value <= limit if sign == "<=" else value >= limit)
        shown = None if value is None else f"{value / scale:,.{digits}f}{unit}"
        self.add(number, what, f"{sign} {limit / scale:,g}{unit}", shown, good)

    def row(self, part, *path):
        found = self.results.get(part) or {}
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return found


def beside_raw(targets):
    bars = zip(WORKLOADS, (0.98, 0.95, 0.97, 1.11), (1.03, 1.08, 1.05, None), (0.23, 0.024, 0.35, None))
    for workload, messages, cpu, user in bars:
        for loop in LOOPS:
            row = targets.row("throughput", workload, f"weir {loop}")
            wanted = f">= {messages} of raw" + (f", or CPU <= {cpu}" if cpu else "")
            reached = good = None
            if row and row["ratio"] and row["cpu_ratio"]:
                reached = f"{row['ratio']:.2f}, CPU {row['cpu_ratio']:.2f}"
                good = row["ratio"] >= messages or (cpu is not None and row["cpu_ratio"] <= cpu)
            targets.add(1, f"{workload}, {loop}: messages/s", wanted, reached, good)
            if user is not None:
                targets.at_most(1, f"{workload}, {loop}: user CPU a message", user, row and row["user_us"], " us", digits=3)


def memory_of(targets, name):
    row = targets.row("memory", name)
    return row and row["bytes"]


def idle_memory(targets):
    for loop in LOOPS:
        targets.at_most(2, f"idle session with on_message, {loop}", 400, memory_of(targets, f"weir {loop}, on_message"), " B", digits=0)
        targets.at_most(2, f"idle session with a coroutine, {loop}", 5 * KIB, memory_of(targets, f"weir {loop}"), " B", digits=0)


def micro(targets):
    for size in ("1 KiB", "64 KiB", "1 MiB"):
        targets.at_least(3, f"masking, {size}, beside memcpy", 0.9, targets.row("micro", f"masking, {size}"))
    for size in ("1 KiB", "64 KiB", "1 MiB"):
        targets.at_least(3, f"UTF-8 of ASCII, {size}, beside memcpy", 0.7, targets.row("micro", f"UTF-8 of ASCII, {size}"))
        targets.at_least(3, f"UTF-8 of mixed text, {size}, beside a table", 10, targets.row("micro", f"UTF-8 of mixed text, {size}"))
    for key, what, most in (("header", "header of a frame", 3), ("switch", "coroutine switch", 5), ("channel", "channel of 8, hand-over", 25),
                            ("rendezvous", "channel without queue, hand-over", 25), ("spawn", "spawn + join", 60),
                            ("timer", "timer set + cancelled, 100,000 armed", 20)):
        targets.at_most(3, what, most, targets.row("micro", key), " ns", digits=1)


def compression(targets):
    targets.at_least(4, "1 KiB JSON without takeover: libdeflate beside zlib", 1.8, targets.row("deflate", "libdeflate"))
    for mode, words in (("apart", "without takeover"), ("takeover", "with takeover")):
        for loop in LOOPS:
            ours = targets.row("compression", mode, f"weir {loop}")
            for peer in ("node ws", "Beast"):
                theirs = targets.row("compression", mode, peer)
                ratio = ours["per_second"] / theirs["per_second"] if ours and theirs else None
                targets.at_least(4, f"1 KiB JSON {words}, {loop}, beside {peer}", 1.2, ratio)
    targets.at_most(4, "idle session without takeover: no compressor", 256, targets.row("deflate", "idle_bytes"), " B", digits=0)


def growth(rows):
    """The growth of the kernel's own cost is no growth of ours, so the yardstick is raw at the same number."""
    ratios = [row["cpu_ratio"] for _, row in sorted((rows or {}).items()) if row and row["cpu_ratio"]]
    return max(ratios) / ratios[0] if len(ratios) > 1 else None


def many(targets):
    for loop in LOOPS:
        row = targets.row("handshakes", f"weir {loop}")
        targets.at_least(5, f"handshakes/s beside raw, {loop}", 0.75, row and row["ratio"])
    for loop in LOOPS:
        idle = targets.row("scale", "idle", f"weir {loop}") or {}
        count = f"{idle['idle']:,}" if idle else "15,000"
        targets.at_most(6, f"{count} idle sessions with pings, {loop}: CPU", 0.02, idle.get("idle_cpu"), " %", 0.01)
        targets.at_least(6, f"100 busy among them, {loop}: throughput kept", 0.95, idle.get("kept"))
        targets.at_most(6, f"CPU a message, {loop}, beside raw: the most at any number of active sessions, over that at the fewest", 1.1,
                        growth(targets.row("scale", "cost", f"weir {loop}")))
    memory = targets.row("scale", "in_memory")
    targets.at_most(6, "200,000 idle sessions in memory with pings: CPU", 0.02, memory and memory["cpu"], " %", 0.01)
    for loop in LOOPS:
        targets.at_most(7, f"1,000 light sessions beside a stream, {loop}: p99 beside alone", 3,
                        targets.row("fairness", f"weir {loop}", "factor"))


def bounded(targets):
    depth_1, pipelined = list(WORKLOADS)[:2]
    for loop, most in (("epoll", 2.1), ("io_uring", 1.1)):
        targets.at_most(8, f"system calls a message, depth 1, {loop}", most, targets.row("throughput", depth_1, f"weir {loop}", "system_calls"))
        targets.at_most(8, f"system calls a message, pipelined, {loop}", 0.07,
                        targets.row("throughput", pipelined, f"weir {loop}", "system_calls"), digits=3)
    for loop in LOOPS:
        none = targets.row("allocations", f"weir {loop}")
        targets.add(8, f"allocations a message that fits the read buffer, {loop}", "none", None if none is None else "none" if none else "some", none)
    targets.at_most(9, "libweir.so, stripped", 400 * KIB, targets.row("sizes", "libweir.so"), " KiB", KIB, 0)
    targets.at_most(9, "libweir-wire.a, text", 48 * KIB, targets.row("sizes", "libweir-wire.a"), " KiB", KIB, 1)


def judge(results):
    targets = Targets(results)
    for part in (beside_raw, idle_memory, micro, compression, many, bounded):
        part(targets)
    return targets.rows
