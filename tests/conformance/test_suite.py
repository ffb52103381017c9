#!/usr/bin/env python3
# ctest: timeout=300 loops
"""The wire conformance suite, against weir in both roles: test_suite.py [--write] [--case ID]... [--role R]... [--backend B]...

Groups 1 to 13 are those of the field's public fuzzing suite; the others go beyond it. A case is OK, NON-STRICT (tolerable, but not what is asked
of weir), INFORMATIONAL (no behaviour is wrong), UNIMPLEMENTED (permessage-deflate is not built in) or FAILED. Anything but OK and INFORMATIONAL,
and UNIMPLEMENTED without deflate, fails the run. --write writes docs/conformance.md, which needs a run of everything."""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections import Counter

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


def run(arguments, cases, role, backend, with_deflate):
    processes = Processes(arguments.build, backend, arguments.patience, arguments.enough)
    started = time.monotonic()
    results = asyncio.run(ROLES[role](processes, cases, with_deflate))
    if slow := [result.case for result in results if result.slow]:  # a second try tells weir from a machine that has other things to do
        results = [result for result in results if not result.slow] + asyncio.run(ROLES[role](processes, slow, with_deflate))
    counts = Counter(result.verdict for result in results)
    print(f"{role} on {backend}: " + ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS) + f"; {time.monotonic() - started:.1f} s")
    for result in results:
        if result.verdict in (FAILED, NON_STRICT):
            print(f"  {result.verdict} {result.case.id} ({result.case.what}): {result.detail}")
    return results


def is_good(result, with_deflate):
    return result.verdict in (OK, INFORMATIONAL) or (result.verdict == UNIMPLEMENTED and not with_deflate)


# ---- docs/conformance.md ----

INTRODUCTION = """# Conformance

Written by `tests/conformance/test_suite.py --write`; `make test` runs the same cases and accepts nothing but OK and INFORMATIONAL.

The suite is our own, in Python's standard library alone, and shares no code with weir. Groups 1 to 13 follow what the field's public fuzzing suite checks,
case by case; the groups with names go beyond it. weir plays the server (`weir echo`) and the client (`examples/fuzzing_client_driver.c` against the suite's
own fuzzing server). Every case asks for the exact events in their order, for the close code, and for an orderly end of TCP. Stricter than the public
suite: a violation has to be answered with a Close of the right code, where a connection that is merely dropped counts as NON-STRICT; and echoes are compared byte
by byte in all groups.

| verdict | means |
|---|---|
| OK | exactly as asked |
| NON-STRICT | within the RFC, but later or less than asked |
| INFORMATIONAL | the RFC leaves it open: it is only noted what weir does |
| UNIMPLEMENTED | the extension is not built in |
| FAILED | wrong |

`tests/conformance/mutants.py` takes one check at a time out of weir and demands that a case fails.
"""


def table(runs):
    yield "| group | checks | role | back-end | cases | " + " | ".join(VERDICTS) + " |"
    yield "|---" * (5 + len(VERDICTS)) + "|"
    for group, meaning in GROUPS.items():
        for (role, backend), results in runs.items():
            counts = Counter(result.verdict for result in results if result.case.group == group)
            if counts:
                yield f"| {group} | {meaning} | {role} | {backend} | {counts.total()} | " + " | ".join(str(counts[verdict] or "") for verdict in VERDICTS) + " |"


def remarkable(runs):
    found = {}
    for (role, backend), results in runs.items():
        for result in results:
            if result.verdict in (NON_STRICT, INFORMATIONAL, FAILED):
                line = f"| {result.case.id} | {result.case.what} | {result.verdict} | {result.detail} |"
                found.setdefault(line, []).append(f"{role} on {backend}")
    yield "| case | what | verdict | what weir did | where |"
    yield "|---|---|---|---|---|"
    for line, places in found.items():
        yield f"{line} {', '.join(places)} |"


def write(runs, cases):
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
    parser.add_argument("--full", action="store_true", help="groups 12 and 13 with 1000 messages of every size, as the public suite has them")
    parser.add_argument("--patience", type=float, default=15, help="seconds without a sign of weir that fail a case")
    parser.add_argument("--enough", type=int, default=sys.maxsize, metavar="N", help="with weir as a server, stop trying after N failures")
    parser.add_argument("--write", action="store_true", help="write docs/conformance.md")
    arguments = parser.parse_args()
    if "WEIR_LOOP" in os.environ and not arguments.backend:
        arguments.backend = [os.environ["WEIR_LOOP"]]
    arguments.light = arguments.light or bool(os.environ.get("WEIR_SANITIZE"))
    return arguments


def main():
    arguments = parse_arguments()
    with_deflate, loops = what_is_built_in(arguments.build)
    backends = [backend for backend in arguments.backend or BACKENDS if backend in loops]
    if not backends:
        print("skipped: this loop is not to be had here")
        return 77
    cases = select(all_cases(arguments.full), arguments)
    runs = {(role, backend): run(arguments, cases, role, backend, with_deflate) for role in arguments.role or ROLES for backend in backends}
    if arguments.write:
        write(runs, cases)
    return 0 if all(is_good(result, with_deflate) for results in runs.values() for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
