#!/usr/bin/env python3
# ctest: timeout=300 loops
"""The wire conformance suite, against weir in both roles: test_suite.py [--write] [--case ID]... [--role R]... [--backend B]...

Groups 1 to 13 are those of the field's public fuzzing suite; the others go beyond it. A case is OK, NON-STRICT (tolerable, but not what is asked
of weir), INFORMATIONAL (no behaviour is wrong), UNIMPLEMENTED (permessage-deflate is not built in) or FAILED. Anything but OK and INFORMATIONAL,
and UNIMPLEMENTED without deflate, fails the run.

Groups 12 and 13 have 1000 messages a case in full, and 4 to 250 in their short form, which is run unless --full or --write is given. --write runs
everything, these groups in full with the first back-end and in their short form with the others, two runs at a time, and writes docs/conformance.md
with what came of it."""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial

import cases_basic
import cases_beyond
import cases_load
import cases_utf8
from peer import FAILED, INFORMATIONAL, NON_STRICT, OK, UNIMPLEMENTED
from roles import Processes, run_as_client, run_as_server

VERDICTS = (OK, NON_STRICT, INFORMATIONAL, UNIMPLEMENTED, FAILED)
ROLES = {"server": run_as_server, "client": run_as_client}
BACKENDS = ("epoll", "io_uring")
SUITE_GROUPS = tuple(map(str, range(1, 14)))
SHORTENED_GROUPS = ("12", "13")

GROUPS = {
    "1": "echo of all length forms", "2": "pings and pongs", "3": "reserved bits", "4": "reserved opcodes", "5": "fragments",
    "6": "UTF-8", "7": "closing handshake", "9": "sizes, fragments, chops, round trips", "10": "automatic fragments",
    "12": "permessage-deflate, five data sets", "13": "permessage-deflate, parameters", "lengths": "lengths not minimal or too large",
    "limits": "size limits, before the payload comes", "masks": "masks, missing, forbidden, of any key", "codes": "close codes and reasons",
    "afterclose": "whatever follows a Close", "firstbyte": "violations answered at their first byte", "tcp": "half-close, resets and silence",
    "opening": "what is no opening handshake", "negotiation": "extensions that nobody asked for", "deflate-negotiation": "parameters of permessage-deflate",
    "compressed": "RSV1, streams and bombs", "octets": "groups 1 to 7 byte by byte", "segment": "groups 1 to 7 behind nine messages in one segment",
    "early": "groups 1 to 7 in the segment of the handshake", "deflated": "groups 1 to 7 compressed",
}


@cache
def all_cases(full):
    return [*cases_basic.cases(), *cases_utf8.cases(), *cases_load.cases(full), *cases_beyond.cases()]


def select(cases, arguments):
    if arguments.case:
        cases = [case for case in cases if any(case.id == wanted or case.id.startswith(wanted + ".") for wanted in arguments.case)]
    return [case for case in cases if not arguments.light or case.weight == 1]


def what_is_built_in(build):
    text = subprocess.run([os.path.join(build, "weir"), "--version"], capture_output=True, text=True, check=True).stdout
    built, loops = (line.split(":", 1)[1].split() for line in text.splitlines()[1:3])
    return "deflate" in built, [backend for backend in BACKENDS if backend in loops]


@dataclass(frozen=True)
class Run:
    """What is run in one go."""

    role: str
    backend: str
    full: bool  # groups 12 and 13

    def __str__(self):
        return f"{self.role} on {self.backend}"


def plan(arguments, backends):
    def is_full(backend):
        return arguments.full or (arguments.write and backend == backends[0])

    return [Run(role, backend, is_full(backend)) for backend in backends for role in arguments.role or ROLES]


def play(arguments, with_deflate, run):
    cases = select(all_cases(run.full), arguments)
    processes = Processes(arguments.build, run.backend, arguments.timeout, arguments.enough)
    started = time.monotonic()
    results = asyncio.run(ROLES[run.role](processes, cases, with_deflate))
    if slow := [result.case for result in results if result.slow]:  # a second try shows whether the machine was busy
        results = [result for result in results if not result.slow] + asyncio.run(ROLES[run.role](processes, slow, with_deflate))
    counts = Counter(result.verdict for result in results)
    print(f"{run}: " + ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS) + f"; {time.monotonic() - started:.1f} s", flush=True)
    for result in results:
        if result.verdict in (FAILED, NON_STRICT):
            print(f"  {result.verdict} {result.case.id} ({result.case.what}): {result.detail}", flush=True)
    return list(map(without_script, results))


def without_script(result):
    """A result as it goes from process to process: without the mebibytes that were sent and expected."""
    return replace(result, case=replace(result.case, ops=(), expect=(), lenient=()))


def is_good(result, with_deflate):
    return result.verdict in (OK, INFORMATIONAL) or (result.verdict == UNIMPLEMENTED and not with_deflate)


# ---- docs/conformance.md ----

INTRODUCTION = """# Conformance

Written by `tests/conformance/test_suite.py --write`; `make test` runs the same cases, groups 12 and 13 in their short form, and accepts
nothing but OK and INFORMATIONAL.

The suite is our own, written with Python's standard library alone, and shares no code with weir. Groups 1 to 13 follow the checks of the field's public fuzzing
suite, case by case. The groups with names go beyond it. weir plays the server (`weir echo`) and the client (`examples/fuzzing_client_driver.c` against the
suite's own fuzzing server).

Every case asks for the exact events in their order, for the close code, and for an orderly end of TCP. The suite is stricter than the public one in two points:

- A violation has to be answered with a Close of the right code. A connection that is merely dropped counts as NON-STRICT.
- Echoes are compared byte by byte in all groups.

Groups 12 and 13 have 1000 messages a case, as in the public suite. Where the table says "short form" they have 4 to 250, as many as make up 256 KiB, because
compression does not depend on the back-end.

| verdict | means |
|---|---|
| OK | exactly as asked |
| NON-STRICT | within the RFC, but later or less than asked |
| INFORMATIONAL | the RFC leaves it open: the table only records what weir does |
| UNIMPLEMENTED | the extension is not built in |
| FAILED | wrong |

`tests/conformance/mutants.py` removes one check at a time from weir and requires that a case fails.
"""


def table(runs):
    yield "| group | checks | role | back-end | cases | " + " | ".join(VERDICTS) + " |"
    yield "|---" * (5 + len(VERDICTS)) + "|"
    for group, meaning in GROUPS.items():
        for run, results in runs.items():
            counts = Counter(result.verdict for result in results if result.case.group == group)
            form = "" if run.full or group not in SHORTENED_GROUPS else ", short form"
            if counts:
                yield (f"| {group} | {meaning}{form} | {run.role} | {run.backend} | {counts.total()} | " +
                       " | ".join(str(counts[verdict] or "") for verdict in VERDICTS) + " |")


def remarkable(runs):
    found = {}
    for run, results in runs.items():
        for result in results:
            if result.verdict in (NON_STRICT, INFORMATIONAL, FAILED):
                line = f"| {result.case.id} | {result.case.what} | {result.verdict} | {result.detail} |"
                found.setdefault(line, []).append(str(run))
    yield "| case | what | verdict | what weir did | where |"
    yield "|---|---|---|---|---|"
    for line, places in found.items():
        yield f"{line} {', '.join(places)} |"


def write(runs):
    cases = {case.id: case for results in runs.values() for case in (result.case for result in results)}.values()
    public = [case for case in cases if case.group in SUITE_GROUPS]
    lines = [INTRODUCTION, f"{len(public)} cases of the public suite's groups, {len(cases) - len(public)} beyond them.\n", "## Results\n", *table(runs), "",
             "## Cases that are not plainly OK\n", *remarkable(runs)]
    path = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "conformance.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.environ.get("WEIR_BUILD_DIR", "build/release"), help="where the programs are")
    parser.add_argument("--role", action="append", choices=ROLES)
    parser.add_argument("--backend", action="append", choices=BACKENDS)
    parser.add_argument("--case", action="append", metavar="ID", help="a case or a group")
    parser.add_argument("--light", action="store_true", help="no case that moves many MiB")
    parser.add_argument("--full", action="store_true", help="groups 12 and 13 in full, as the public suite has them")
    parser.add_argument("--timeout", type=float, default=15, help="seconds without a sign of weir that fail a case")
    parser.add_argument("--enough", type=int, default=sys.maxsize, metavar="N", help="with weir as a server, stop trying after N failures")
    parser.add_argument("--write", action="store_true", help="run everything and write docs/conformance.md")
    arguments = parser.parse_args()
    if "WEIR_LOOP" in os.environ and not arguments.backend:
        arguments.backend = [os.environ["WEIR_LOOP"]]
    arguments.light = arguments.light or bool(os.environ.get("WEIR_SANITIZE"))
    if arguments.write and (arguments.case or arguments.role or arguments.backend or arguments.light):
        parser.error("--write is for a run of everything: no --case, --role, --backend or --light")
    return arguments


def main():
    arguments = parse_arguments()
    with_deflate, loops = what_is_built_in(arguments.build)
    backends = [backend for backend in arguments.backend or BACKENDS if backend in loops]
    if not backends:
        print("skipped: this loop is not to be had here")
        return 77
    runs = plan(arguments, backends)
    with ProcessPoolExecutor(2 if arguments.write else 1) as pool:
        results = dict(zip(runs, pool.map(partial(play, arguments, with_deflate), runs)))
    if arguments.write:
        write(results)
    return 0 if all(is_good(result, with_deflate) for found in results.values() for result in found) else 1


if __name__ == "__main__":
    sys.exit(main())
