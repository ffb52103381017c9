#!/usr/bin/python3
# ctest: timeout=180 loops once
"""Random streams, valid and broken, get one verdict from weir, python3-wsproto and npm ws: test_verdicts.py [COUNT] [--first SEED] [--stream SEED].

In both receiving roles: what messages came, and with which code the connection was closed. Where a peer differs, one of the reasons in explained.py has
to apply (docs/differential.md has them at length); what no reason explains fails. Without arguments: some hundred streams, the same ones each time."""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
from collections import Counter

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "conformance")]

try:
    import wsproto  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
WS = ["node", os.path.join(HERE, "ws_peer.mjs"), "server"]
if shutil.which("node") is None or subprocess.run(WS, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False).returncode != 0:
    print("skipped: no node with npm ws")
    sys.exit(77)

from explained import Facts, explain
from judges import ask_weir_client, ask_weir_server, ask_ws_client, ask_ws_server, ask_wsproto
from streams import make_stream

ROLES = ("server", "client")


def has_deflate(build):
    return " deflate" in subprocess.check_output([os.path.join(build, "weir"), "--version"], text=True)


def select(arguments, role):
    first, count = (arguments.first, arguments.count) if arguments.stream is None else (arguments.stream, 1)
    streams = [make_stream(seed, role) for seed in range(first, first + count)]
    return streams if has_deflate(arguments.build) else [stream for stream in streams if not stream.deflate]


async def judge(build, role, streams):
    """Each stream, and what each makes of it."""
    wsproto_says = {stream.seed: ask_wsproto(stream) for stream in streams}
    jobs = [(stream, not Facts(stream).ends) for stream in streams]
    ask_weir, ask_ws = (ask_weir_server, ask_ws_server) if role == "server" else (ask_weir_client, ask_ws_client)
    weir_says, ws_says = await asyncio.gather(ask_weir(build, jobs), ask_ws(jobs))
    return [(stream, weir_says.get(stream.seed), {"wsproto": wsproto_says[stream.seed], "ws": ws_says.get(stream.seed)}) for stream in streams]


def compare(stream, ours, theirs, tally):
    """The number of disagreements that no reason explains."""
    unexplained = 0
    for peer, verdict in theirs.items():
        if verdict == ours:
            tally[f"{peer} agrees"] += 1
            continue
        reason = explain(peer, stream, ours, verdict)
        tally[f"{peer}: {reason or 'UNEXPLAINED'}"] += 1
        if reason is None:
            unexplained += 1
            print(f"{stream}: weir says {ours}, {peer} says {verdict}")
    return unexplained


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=150)
    parser.add_argument("--first", type=int, default=1, metavar="SEED")
    parser.add_argument("--stream", type=int, metavar="SEED", help="that one alone")
    parser.add_argument("--build", default=os.environ.get("WEIR_BUILD_DIR", os.path.join(HERE, "..", "..", "build", "release")))
    arguments = parser.parse_args()
    unexplained = 0
    for role in ROLES:
        tally = Counter()
        for stream, ours, theirs in asyncio.run(judge(arguments.build, role, select(arguments, role))):
            unexplained += compare(stream, ours, theirs, tally)
        print(f"weir as a {role}:")
        for what, count in sorted(tally.items()):
            print(f"  {count:6} {what}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
