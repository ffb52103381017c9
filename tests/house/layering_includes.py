"""The graph of files by includes, and what is wrong with one of them."""

import pathlib
import re

import layering_circles as circles
from layering_rules import OUTSIDE, PLACES, STOREYS, judge, place_of

SHARED = {"base.h", "version.h"}  # known to every storey
HEADERS = {"codec.h": "wire"}     # public headers that have no .c: the place that owns them
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)
C11_HEADERS = {
    "assert.h", "errno.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h",
    "stdint.h", "stdio.h", "stdlib.h", "stdnoreturn.h", "string.h",
    "arm_neon.h", "cpuid.h", "immintrin.h", "sys/auxv.h",
}


class Tree:
    """files is {path from the root: [(bracket, name)]}, for every C file and header."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = {}
        for folder in ("include", "src", *OUTSIDE):
            for path in sorted((self.root / folder).rglob("*.[chS]")):
                name = path.relative_to(self.root).as_posix()
                self.files[name] = INCLUDE.findall(path.read_text(encoding="utf-8"))

    def public_place(self, header):
        """The place of include/weir/x.h: the one that is called x, or has x.c or x_*.c; else the highest that it
        includes, which is a room of ws for one that joins the protocol and the runtime."""
        name = pathlib.PurePosixPath(header)
        if name.name in HEADERS:
            return HEADERS[name.name]
        for place in STOREYS:
            source = re.compile(f"src/{place}/{name.stem}(_\\w+)?\\.c")
            if place.split("/")[-1] == name.stem or any(map(source.fullmatch, self.files)):
                return place
        below = {self.public_place(f"include/{name}") for _, name in self.files.get(header, [])
                 if name.startswith("weir/") and name[5:] not in SHARED}
        if below & {"wire", "codec"} and below & {"rt", "net"}:
            below.add("ws/flow")
        return max(below, default="base", key=PLACES.index)

    def place(self, path):
        """None: known to every storey."""
        if path.startswith("include/"):
            return None if path.split("/")[-1] in SHARED else self.public_place(path)
        return place_of(path)

    def resolve(self, path, bracket, name):
        """The file of ours that an #include means, or None for a system header."""
        if name.startswith("weir/"):
            return f"include/{name}"
        if bracket == "<":
            return None
        beside = (pathlib.PurePosixPath(path).parent / name).as_posix()
        return beside if beside in self.files else f"src/{name}"

    def includes(self):
        """Yields (file, bracket, name, file of ours or None)."""
        for path, found in self.files.items():
            for bracket, name in found:
                yield path, bracket, name, self.resolve(path, bracket, name)


def judge_include(tree, path, name, target):
    """What is wrong with one #include, or None."""
    if target is None:
        mine = place_of(path)
        alone = mine in ("base", "wire") and name not in C11_HEADERS
        return f"{mine} takes C11 alone, not <{name}>" if alone else None
    if target not in tree.files:
        return f"{name} is not in the tree"
    if target.startswith("src/") and not path.startswith("src/"):
        return f"sees the private {target}"
    mine, other = tree.place(path), tree.place(target)
    if other is None:
        return None
    if mine is None:
        return f"is known to every storey, and knows {target}"
    return judge(mine, other, target)


def without_place(tree):
    """Files of src that lie in no storey, or in ws outside its rooms."""
    return [f"{path}: lies in no storey and in no room" for path in tree.files
            if path.startswith("src/") and place_of(path) is None]


def check(tree):
    """(complaints, {(file, file): complaint} about a pair that may be an exception)."""
    pairs, graph = {}, {}
    for path, _, name, target in tree.includes():
        if target in tree.files:
            graph.setdefault(path, {})[target] = "includes {}"
        verdict = judge_include(tree, path, name, target)
        if verdict:
            pairs[path, target] = f"{path}: {verdict}"
    wrong = [f"circle of includes: {circles.tell(graph, knot)}" for knot in circles.find_knots(graph)]
    return wrong, pairs
