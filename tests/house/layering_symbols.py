"""The graph of files by symbols: which file calls a function, or uses a variable, that another file defines.

It is read from the symbol tables of a build's objects, so that a call is found even where no include shows it.
"""

import pathlib
import re
import subprocess

import layering_circles as circles
from layering_rules import OUTSIDE, judge, place_of

OBJECT = re.compile(r"CMakeFiles/[^/]+\.dir/((?:src|cli|examples|bindings)/.+\.[cS])\.o$")
# "build/release/.../scope.c.o:0000000000000040 T weir__scope_init"; U, v and w are undefined there.
SYMBOL = re.compile(r"^(.+\.o):[0-9a-f ]+ ([A-Za-z]) (\S+)$", re.MULTILINE)


def find_objects(build_dir, source_dir):
    """{object: source} of a build. An object whose source has gone is a leftover and does not count."""
    objects = {}
    for path in sorted(pathlib.Path(build_dir).rglob("*.o")):
        match = OBJECT.search(path.as_posix())
        if match and (pathlib.Path(source_dir) / match.group(1)).exists():
            objects[str(path)] = match.group(1)
    return objects


def read_tables(objects):
    """A list of (source, letter of nm, symbol). The objects may hold bitcode: nm has the compiler's plugin for it."""
    if not objects:
        return []
    listing = subprocess.run(["nm", "-gA", *objects], check=True, capture_output=True, text=True).stdout
    return [(objects[path], letter, name) for path, letter, name in SYMBOL.findall(listing)]


class Graph:
    """uses[a][b] is the set of symbols that file a uses of file b; missing tells what no file defines."""

    def __init__(self, tables):
        defined = {name: (source, letter) for source, letter, name in tables if letter not in "Uvw"}
        defined.pop("main", None)  # every program has one
        self.functions = {name for name, (_, letter) in defined.items() if letter in "TtWi"}
        self.uses = {source: {} for source, _, _ in tables}
        self.missing = []
        for source, letter, name in tables:
            if letter not in "Uvw":
                continue
            definer, _ = defined.get(name, (None, None))
            if definer and definer != source:
                self.uses[source].setdefault(definer, set()).add(name)
            elif not definer and name.startswith("weir_"):
                self.missing.append(f"{source}: nothing in this build defines {name}")

    def say(self, names):
        """'calls f (and 2 more) of {}': how a file knows another."""
        first = min(names, key=lambda name: (name not in self.functions, name))
        more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
        return f"{'calls' if first in self.functions else 'uses'} {first}{more} of {{}}"

    def told(self):
        """The graph with its evidence in words."""
        return {source: {target: self.say(names) for target, names in targets.items()}
                for source, targets in self.uses.items()}


def judge_reference(source, target, names):
    """What is wrong when a file uses symbols of another, or None."""
    mine, other = place_of(source), place_of(target)
    if mine in OUTSIDE and other not in OUTSIDE:
        private = sorted(name for name in names if not name.startswith("weir_") or name.startswith("weir__"))
        return f"sees the private {', '.join(private)} of {target}" if private else None
    if mine is None or other is None:
        return None  # without_place() tells
    verdict = judge(mine, other, target)
    return f"{verdict}, by {', '.join(sorted(names))}" if verdict else None


def judge_modules(told, exceptions, paths):
    """Modules that need no entry. A build without a back-end has none of its files, and says nothing of it."""
    for name, (pattern, _) in exceptions.modules.items():
        inside = {source: {target: evidence for target, evidence in targets.items() if re.fullmatch(pattern, target)}
                  for source, targets in told.items() if re.fullmatch(pattern, source)}
        if not any(re.fullmatch(pattern, path) for path in paths):
            yield f"the module {name} has no files: delete its entry"
        elif len(inside) > 1 and not circles.find_knots(inside):
            yield f"the files of the module {name} stand in no circle: delete its entry"


def judge_circles(told, exceptions, paths):
    """Circles of files that are no exception, and exceptions that are no circle."""
    def module_of(path):
        return next((name for name, (pattern, _) in exceptions.modules.items() if re.fullmatch(pattern, path)), path)

    joined = circles.join(told, module_of)
    knots = circles.find_knots(joined)
    for knot in knots:
        if not any(set(knot) == group & set(joined) for group in exceptions.circles):
            yield f"circle of files {', '.join(knot)}:\n    {circles.tell(joined, knot)}"
    for group in exceptions.circles:
        gone = {name for name in group if name not in exceptions.modules and name not in paths}
        here = sorted(group & set(joined))
        if gone or len(here) > 1 and here not in knots:
            yield f"no circle any more, or another one: {', '.join(sorted(group))}: delete or correct its entry"


def check(graph, exceptions, paths):
    """(complaints, {(file, file): complaint} about a pair that may be an exception). paths: every file of the tree."""
    pairs = {}
    for source, targets in graph.uses.items():
        for target, names in targets.items():
            verdict = judge_reference(source, target, names)
            if verdict:
                pairs[source, target] = f"{source}: {verdict}"
    told = graph.told()
    return [*graph.missing, *judge_modules(told, exceptions, paths), *judge_circles(told, exceptions, paths)], pairs
