#!/usr/bin/env python3
# ctest: once
"""Each mutant of tests/conformance/mutants.py still applies: what it takes out stands exactly once in its file, and its name is its own.

The check first proves on a planted mutant that it can fail.
"""

import os
import pathlib
import sys

ROOT = pathlib.Path(os.environ["WEIR_SOURCE_DIR"])
sys.path.insert(0, str(ROOT / "tests" / "conformance"))

from mutants import MUTANTS


def find_faults(mutants):
    """What is wrong with a table, in words."""
    names = [name for name, *_ in mutants]
    for name in sorted(set(names)):
        if names.count(name) > 1:
            yield f"{name}: there are {names.count(name)} of that name"
    for name, path, old, new, *_ in mutants:
        count = (ROOT / path).read_text(encoding="utf-8").count(old)
        if count != 1 or old == new:
            yield f"{name}: stands {count} times in {path}: {old}"


def main():
    name, path, old, new, *_ = MUTANTS[0]
    for planted in ((name, path, old + "?", new), (name, path, "\n", new), (name, path, old, old)):
        assert list(find_faults([planted])), f"the check does not see that this is stale: {planted}"
    assert len(list(find_faults([MUTANTS[0]] * 2))) == 1
    faults = list(find_faults(MUTANTS))
    print("\n".join(faults) or f"{len(MUTANTS)} mutants apply")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
