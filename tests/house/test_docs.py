#!/usr/bin/env python3
# ctest: once
"""What docs/ says of this tree is so: every file that a page names is there, a limit's default is the same wherever it is told,
and a function stands in the file that architecture.md names for it.

The checker first proves on a planted tree that it can fail.
"""

import os
import pathlib
import re
import sys
import tempfile

# A path in backquotes or a link to a neighbour; <room> and * stand for anything.
PATH = re.compile(r"`((?:bench|cli|cmake|docs|examples|fuzz|include|scripts|src|tests)/[\w./*<>-]+)`|\]\(([\w./-]+\.md)\)")
ROW = re.compile(r"^\|(.+)\|$", re.MULTILINE)


def missing_paths(root, page):
    text = page.read_text(encoding="utf-8")
    for named, linked in PATH.findall(text):
        start, pattern = (root, re.sub(r"<\w+>", "*", named)) if named else (page.parent, linked)
        if not any(start.glob(pattern.rstrip("/"))):
            yield f"{page.name}: {named or linked} is not there"


def rows(page):
    return [[cell.strip() for cell in row.split("|")] for row in ROW.findall(page.read_text(encoding="utf-8"))]


def other_defaults(security, limits):
    """security.md has rows (option, default, ...), limits.md (what, option, default, ...)."""
    told = {row[1]: row[2] for row in rows(limits) if len(row) == 4 and row[1].startswith("`")}
    said = {row[0]: row[1] for row in rows(security) if len(row) == 4 and row[0].startswith("`")}
    if not said:
        yield "security.md: there is no table of limits"
    for option, default in said.items():
        if told.get(option) != default:
            yield f"security.md: {option} is {default}, but in limits.md {told.get(option)}"


def misplaced_functions(root, page):
    """architecture.md has rows (rule, file, functions)."""
    told = [row for row in rows(page) if len(row) == 3 and re.fullmatch(r"`src/[\w./]+\.c`", row[1])]
    if not told:
        yield f"{page.name}: there is no table of functions"
    for _, path, functions in told:
        file = root / path.strip("`")
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        for name in re.findall(r"`(\w+)`", functions):
            if not re.search(rf"^\w.*\b{name}\(", text, re.MULTILINE):
                yield f"{page.name}: {name} is not defined in {path}"


def check(root):
    docs = root / "docs"
    for page in sorted(docs.glob("*.md")):
        yield from missing_paths(root, page)
    yield from other_defaults(docs / "security.md", docs / "limits.md")
    yield from misplaced_functions(root, docs / "architecture.md")


def prove_that_it_can_fail():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "docs").mkdir()
        (root / "src").mkdir()
        (root / "src" / "room.c").write_text("int there(void)\n{\n    gone();\n}\n")
        (root / "docs" / "architecture.md").write_text("| a | `src/room.c` | `there` |\n| b | `src/room.c` | `gone` |\n")
        (root / "docs" / "limits.md").write_text("| a | `x` | 1 MiB | - |\n| b | `y` | 8 | - |\n[s](security.md)\n")
        (root / "docs" / "security.md").write_text("`src/room.c` `src/r*.c` `src/<room>.c` `src/none.c` [l](limits.md) [n](none.md)\n"
                                                   "| `x` | 1 MiB | - | - |\n| `y` | 9 | - | - |\n| `z` | 1 | - | - |\n")
        found = list(check(root))
        assert len(found) == 5, found


def main():
    prove_that_it_can_fail()
    found = list(check(pathlib.Path(os.environ.get("WEIR_SOURCE_DIR", "."))))
    print("\n".join(found) if found else "docs: every file and function is there, every default the same")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
