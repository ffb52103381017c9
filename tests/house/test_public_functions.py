#!/usr/bin/env python3
# ctest: once
"""Every function that libweir.so exports is declared below a doc comment, used by a test, and used by an example or the command.

A name in a comment or a string does not count. The checker first proves on a planted tree that it can fail.
"""

import os
import pathlib
import re
import sys
import tempfile

NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)
# A comment is about all declarations that follow it without an empty line between them.
DOCUMENTED = re.compile(r"/\*\*(?!<)(?:(?!\*/).)*\*/\n((?:[^\n]+\n)+)", re.DOTALL)
USERS = {
    "used in tests/ or fuzz/": ("tests/**/*.c", "tests/**/*.h", "tests/**/*.sh", "fuzz/**/*.c"),
    "used in examples/ or cli/": ("examples/*.c", "cli/*.c"),
}


def files(root, *globs):
    return [path for pattern in globs for path in sorted(root.glob(pattern))]


def code_of(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    return re.sub(r"(?m)^\s*#.*", "", text) if path.suffix == ".sh" else NOT_CODE.sub(" ", text)


def names_in(paths):
    return {name for path in paths for name in re.findall(r"\bweir_\w+", code_of(path))}


def declared_below_a_comment(headers):
    groups = "\n".join(group for path in headers for group in DOCUMENTED.findall(path.read_text(encoding="utf-8")))
    return set(re.findall(r"\b(weir_\w+)\(", NOT_CODE.sub(" ", groups)))


def complaints(root):
    functions = (root / "src/weir.symbols").read_text().split()
    places = {"documented in include/weir/": declared_below_a_comment(files(root, "include/weir/*.h"))}
    places.update((place, names_in(files(root, *globs))) for place, globs in USERS.items())
    return [f"{function} is not {place}" for function in functions for place in places
            if function not in places[place]]


def check_the_checker():
    planted = {
        "src/weir.symbols": "weir_a\nweir_b\nweir_c\nweir_d\n",
        "include/weir/x.h": "/** Two. */\nint weir_a(void);\nint weir_b(void);\n\nint weir_c(void); /* weir_d() */\n",
        "tests/t.c": "weir_a(); weir_b(); weir_c(); weir_d();\n",
        "examples/e.c": 'run(weir_a); weir_c(); /* weir_b() */ puts("weir_d()");\n',
    }
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in planted.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        found = complaints(root)
    assert found == ["weir_b is not used in examples/ or cli/", "weir_c is not documented in include/weir/",
                     "weir_d is not documented in include/weir/", "weir_d is not used in examples/ or cli/"], found


def main():
    check_the_checker()
    bad = complaints(pathlib.Path(os.environ["WEIR_SOURCE_DIR"]))
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
