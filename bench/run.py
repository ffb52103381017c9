#!/usr/bin/python3 -B
"""Measures weir beside raw TCP and other implementations: bench/run.py [--full] [--only PART,...] [--out FOLDER].

Parts: throughput, handshakes, memory, compression, fairness, scale, micro, deflate, allocations, sizes, others. The short form omits what
takes long. Prints every table, and every target with the figure reached; writes JSON, Markdown and SVG plots.
"""

import argparse
import contextlib
import pathlib
import sys
import time

from driver import machine, parts, report, servers, targets

ROOT = pathlib.Path(__file__).resolve().parents[1]


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="everything, with more and longer rounds")
    parser.add_argument("--only", help="parts, with commas between them: " + ", ".join(parts.PARTS))
    parser.add_argument("--out", type=pathlib.Path, help="folder for the results (default: docs/benchmarks, of the short form build/benchmarks)")
    arguments = parser.parse_args()
    arguments.parts = arguments.only.split(",") if arguments.only else list(parts.PARTS if arguments.full else parts.SHORT)
    unknown = set(arguments.parts) - set(parts.PARTS)
    if unknown:
        parser.error("no such part: " + ", ".join(sorted(unknown)))
    if arguments.out is None:
        whole = arguments.full and not arguments.only
        arguments.out = ROOT / ("docs/benchmarks" if whole else "build/benchmarks")
    return arguments


def main():
    arguments = read_arguments()
    said = []

    def say(line):
        print(line, flush=True)
        if not line.startswith(("==", "  64", "  16", "  1 M")):
            said.append(line)

    described = machine.describe()
    if described["cores"] < 2:
        say("one core only: the server and the generator share it, and the figures say little")
    bench = parts.Bench(servers.available(say), arguments.full, say)
    started = time.monotonic()
    for name in arguments.parts:
        say(f"== {name} ({time.monotonic() - started:.0f} s)")
        with contextlib.ExitStack() as stack:
            parts.PARTS[name](bench, stack)
    bench.results["said"] = said
    rows = targets.judge(bench.results)
    report.write(arguments.out, bench.results, rows, described, "full" if arguments.full else "short")
    print()
    print((arguments.out / "results.md").read_text(encoding="utf-8"))
    print(f"{time.monotonic() - started:.0f} s; written to {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
