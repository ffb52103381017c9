#!/usr/bin/env python3
# ctest: once
"""Each place of the house knows only those below it, by includes and by symbols, and no circle stands in it.

layering_rules.py says what a place is, what it may know, and which exceptions are left; --all takes none of them.
The symbols are those of a build's objects (WEIR_BUILD_DIR): a call of a function that stands above is found even
where no include shows it. The checker first proves on planted trees that it can fail.
"""

import os
import pathlib
import sys

import layering_circles as circles
import layering_includes as includes
import layering_planted as planted
import layering_symbols as symbols
from layering_rules import Exceptions, TODAY

SKIPPED = 77


def places_graph(tree, graph, exceptions):
    """Which place knows which, with one include or call as the evidence."""
    references = [(path, target, "includes {}") for path, _, _, target in tree.includes()
                  if target in tree.files and path != "include/weir/weir.h"]  # it includes all
    for source, targets in graph.told().items() if graph else ():
        references += [(source, target, evidence) for target, evidence in targets.items()]
    places = {}
    for path, target, evidence in references:
        mine, other = tree.place(path), tree.place(target)
        if mine and other and mine != other and (path, target) not in exceptions.upward:
            places.setdefault(mine, {}).setdefault(other, f"knows {{}} ({path} {evidence.format(target)})")
    return places


def check(root, build, exceptions):
    """Everything wrong with a tree, one line each. build None: includes alone are looked at."""
    tree = includes.Tree(root)
    graph = symbols.Graph(symbols.read_tables(symbols.find_objects(build, root))) if build else None
    wrong, pairs = includes.check(tree)
    wrong += includes.without_place(tree)
    if graph:
        more, by_symbols = symbols.check(graph, exceptions, tree.files)
        wrong += more
        pairs = {**by_symbols, **pairs}
        wrong += [f"{source} does not know {target} any more: delete the entry of layering_rules.py"
                  for source, target in sorted(exceptions.upward - set(pairs))]
    wrong += [complaint for pair, complaint in pairs.items() if pair not in exceptions.upward]
    places = places_graph(tree, graph, exceptions)
    wrong += [f"circle of rooms: {circles.tell(places, knot)}" for knot in circles.find_knots(places)]
    return wrong


def main(arguments):
    failures = planted.prove(check)
    if failures:
        print("\n".join(failures))
        return 1
    build = os.environ.get("WEIR_BUILD_DIR", "")
    build = build if pathlib.Path(build, "CMakeCache.txt").exists() else None
    exceptions = Exceptions(TODAY.modules) if "--all" in arguments else TODAY
    wrong = check(pathlib.Path(__file__).resolve().parent.parent.parent, build, exceptions)
    if wrong:
        print("\n".join(wrong))
        return 1
    if not build:
        print("the includes are right; WEIR_BUILD_DIR names no build whose symbols could be read")
        return SKIPPED
    print(f"each place knows only those below; exceptions left: {len(exceptions.upward) + len(exceptions.circles)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
