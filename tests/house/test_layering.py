#!/usr/bin/env python3
# ctest: once
"""Each storey knows only those below it, and nothing includes itself in a circle.

The storeys are base, wire, codec, rt, net, ws, hub, cli. Neither rt nor net knows wire or codec. base
and wire take C11 and vector headers alone. cli, examples and public headers see public headers only. The checker
first proves on planted violations that it can fail.
"""

import pathlib
import re
import sys
import tempfile

STOREYS = ["base", "wire", "codec", "rt", "net", "ws", "hub", "cli"]
APART = {(STOREYS.index(a), STOREYS.index(b)) for a, b in
         (("rt", "wire"), ("rt", "codec"), ("net", "wire"), ("net", "codec"))}
SHARED = {"base.h", "version.h"}  # known to every storey
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)
WIRE_SYSTEM_HEADERS = {
    "assert.h", "errno.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h",
    "stdint.h", "stdio.h", "stdlib.h", "stdnoreturn.h", "string.h",
    "arm_neon.h", "cpuid.h", "immintrin.h", "sys/auxv.h",
}


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = {}  # path from the root -> [(bracket, name)]
        for folder in ("include", "src", "cli", "examples"):
            for path in sorted((self.root / folder).rglob("*.[ch]")):
                name = path.relative_to(self.root).as_posix()
                self.files[name] = INCLUDE.findall(path.read_text(encoding="utf-8"))

    def public_storey(self, header):
        """The storey of include/weir/x.h: the one that has x.c or x_*.c; else the highest that it
        includes, which is ws for one that joins wire and rt."""
        stem = pathlib.PurePosixPath(header).stem
        for storey in STOREYS[:-1]:
            room = re.compile(f"src/{storey}/(\\w+/)?{stem}(_\\w+)?\\.c$")
            if any(map(room.match, self.files)):
                return STOREYS.index(storey)
        below = {self.public_storey(f"include/{name}")
                 for _, name in self.files.get(header, [])
                 if name.startswith("weir/") and name[5:] not in SHARED}
        wire, rt = STOREYS.index("wire"), STOREYS.index("rt")
        return STOREYS.index("ws") if {wire, rt} <= below else max(below, default=0)

    def storey(self, path):
        parts = path.split("/")
        if parts[0] == "src":
            return STOREYS.index(parts[1]) if parts[1] in STOREYS else None
        if parts[0] == "include":
            return None if parts[-1] in SHARED else self.public_storey(path)
        return STOREYS.index("cli")

    def resolve(self, path, bracket, name):
        """The file of ours that an #include means, or None for a system header."""
        if name.startswith("weir/"):
            return f"include/{name}"
        if bracket == "<":
            return None
        beside = (pathlib.PurePosixPath(path).parent / name).as_posix()
        return beside if beside in self.files else f"src/{name}"


def judge_include(tree, path, bracket, name):
    """What is wrong with one #include, or None."""
    target = tree.resolve(path, bracket, name)
    if target is None:
        if path.startswith(("src/base/", "src/wire/")) and name not in WIRE_SYSTEM_HEADERS:
            return f"wire takes C11 alone, not <{name}>"
        return None
    if target not in tree.files:
        return f"{name} is not in the tree"
    private = target.startswith("src/")
    if private and not path.startswith("src/"):
        return f"sees the private {target}"
    if target.split("/")[-1] in SHARED and not private:
        return None
    mine, other = tree.storey(path), tree.storey(target)
    if mine is None:
        return f"is known to every storey, and knows {target}"
    if other is None:
        return None
    if other > mine:
        return f"{STOREYS[mine]} looks up to {STOREYS[other]}: {target}"
    if other > 0 and (mine, other) in APART:
        return f"{STOREYS[mine]} does not know {STOREYS[other]}: {target}"
    return None


def find_cycle(graph):
    """One circle of includes as a list of files, or None."""
    done, trail = set(), []

    def visit(node):
        if node in trail:
            return trail[trail.index(node):] + [node]
        if node in done:
            return None
        trail.append(node)
        for target in graph.get(node, []):
            cycle = visit(target)
            if cycle:
                return cycle
        trail.pop()
        done.add(node)
        return None

    return next(filter(None, map(visit, sorted(graph))), None)


def check(root):
    """Everything wrong with a tree, one line each."""
    tree = Tree(root)
    wrong = []
    graph = {}
    for path, includes in tree.files.items():
        graph[path] = []
        for bracket, name in includes:
            verdict = judge_include(tree, path, bracket, name)
            if verdict:
                wrong.append(f"{path}: {verdict}")
            target = tree.resolve(path, bracket, name)
            if target in tree.files:
                graph[path].append(target)
    cycle = find_cycle(graph)
    if cycle:
        wrong.append("circle: " + " -> ".join(cycle))
    return wrong


CLEAN = {
    "include/weir/base.h": "#include <stdint.h>",
    "include/weir/frame.h": "#include <weir/base.h>",
    "include/weir/loop.h": "#include <weir/base.h>",
    "include/weir/session.h": "#include <weir/frame.h>\n#include <weir/loop.h>",
    "src/wire/frame.c": "#include <weir/frame.h>\n#include <string.h>",
    "src/rt/loop.h": "#include <weir/loop.h>",
    "src/rt/loop.c": '#include "rt/loop.h"\n#include <sys/epoll.h>',
    "src/net/tcp.h": "#include <weir/loop.h>",
    "src/net/tcp.c": '#include "net/tcp.h"\n#include "rt/loop.h"',
    "src/ws/session/session.c": '#include <weir/session.h>\n#include "net/tcp.h"',
    "cli/main.c": "#include <weir/session.h>",
}

PLANTED = {
    "net looks up to ws": {"src/ws/reader.h": "", "src/net/tcp.c": '#include "ws/reader.h"'},
    "net looks up to ws, in public": {"src/net/tcp.c": "#include <weir/session.h>"},
    "wire knows rt": {"src/wire/frame.c": '#include "rt/loop.h"'},
    "rt knows wire": {"src/rt/loop.c": "#include <weir/frame.h>"},
    "wire takes a system header": {"src/wire/frame.c": "#include <unistd.h>"},
    "cli sees something private": {"cli/main.c": '#include "net/tcp.h"'},
    "a public header sees something private": {"include/weir/session.h": '#include "net/tcp.h"'},
    "what all share knows one storey": {"include/weir/base.h": "#include <weir/frame.h>"},
    "a circle": {"src/rt/a.h": '#include "rt/b.h"', "src/rt/b.h": '#include "a.h"'},
    "a header that is not there": {"src/net/tcp.c": '#include "net/udp.h"'},
}


def check_planted(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n", encoding="utf-8")
        return check(root)


def prove_the_checker():
    false_alarms = check_planted(CLEAN)
    missed = [name for name, files in PLANTED.items() if not check_planted({**CLEAN, **files})]
    for line in false_alarms:
        print(f"the checker is wrong about a clean tree: {line}")
    for name in missed:
        print(f"the checker does not see: {name}")
    return not false_alarms and not missed


def main():
    if not prove_the_checker():
        return 1
    wrong = check(pathlib.Path(__file__).resolve().parent.parent.parent)
    print("\n".join(wrong) if wrong else "every storey knows only those below")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
