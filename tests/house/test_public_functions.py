#!/usr/bin/env python3
# ctest: once
"""Every function that libweir.so exports stands in a public header, is named by a test, and is used by an example or the command."""

import os
import pathlib
import re
import sys

SOURCE = pathlib.Path(os.environ["WEIR_SOURCE_DIR"])


def words_of(*globs):
    words = set()
    for pattern in globs:
        for path in SOURCE.glob(pattern):
            words.update(re.findall(r"\bweir_\w+", path.read_text(encoding="utf-8", errors="replace")))
    return words


def main():
    functions = (SOURCE / "src/weir.symbols").read_text().split()
    assert len(functions) > 200, "src/weir.symbols is not what it was"
    places = {
        "documented in include/weir/": words_of("include/weir/*.h"),
        "named in tests/ or fuzz/": words_of("tests/**/*.c", "tests/**/*.h", "tests/**/*.sh", "fuzz/*.c"),
        "used in examples/ or cli/": words_of("examples/*.c", "cli/*.c"),
    }
    bad = 0
    for function in functions:
        for place, words in places.items():
            if function not in words:
                print(f"{function} is not {place}")
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
