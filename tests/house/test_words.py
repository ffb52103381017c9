#!/usr/bin/env python3
# ctest: once
"""The tree is written in standard terms: no word that was replaced by one is left, and no line of C is wider than 100 columns.

The words, and the places where one of them is right, stand in words_rules.py. The checker first proves on planted trees that
it can fail. At the end it prints how many findings each folder has.
"""

import collections
import os
import pathlib
import re
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from words_rules import EVERYWHERE, EXCEPTIONS, IN_IDENTIFIERS

WIDTH = 100
WORD_FOLDERS = ("include", "src", "cli", "docs", "bench", "examples")
WIDTH_FOLDERS = ("include", "src", "cli", "examples", "bench", "tests", "fuzz")
C = (".c", ".h", ".S")
TEXT = (*C, ".md", ".py", ".mjs", ".cpp", ".go")
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)
IDENTIFIER = re.compile(r"[A-Za-z0-9]*_[A-Za-z0-9_]*")


def compiled(rules, between):
    """Rules as regular expressions of whole words, with what may stand between the words of one."""
    return [(re.compile(r"(?<![^\W_])(?:" + pattern.replace(" ", between) + r")(?![^\W_])", re.IGNORECASE), instead)
            for pattern, instead in rules]


RULES = compiled(EVERYWHERE, r"(?:_|[\s*]+)")  # a comment may break its line there
IDENTIFIER_RULES = compiled(IN_IDENTIFIERS, "_")
ALLOWED = [(re.compile(place), re.compile(word, re.IGNORECASE)) for place, word, _ in EXCEPTIONS]


def files_of(root, folders, suffixes):
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def blank(text):
    """As many blanks as the text has characters; the ends of lines stay."""
    return re.sub(r"[^\n]", " ", text)


def without_exceptions(text):
    for place, word in ALLOWED:
        text = place.sub(lambda found, word=word: word.sub(lambda one: blank(one[0]), found[0]), text)
    return text


def identifiers_of(name, text):
    """The text with everything blank but its identifiers: those of the code, and in prose each word that has an underscore."""
    code = blank(text)
    if name.endswith(C):
        code = COMMENT_OR_STRING.sub(lambda found: blank(found[0]), text)
    in_prose = IDENTIFIER.sub(lambda found: "\1" * len(found[0]), text)
    return "".join(letter if letter == "\n" or mark == "\1" else other for letter, mark, other in zip(text, in_prose, code))


def wrong_words(root):
    for name, text in files_of(root, WORD_FOLDERS, TEXT):
        text = without_exceptions(text)
        for rules, place in ((RULES, text), (IDENTIFIER_RULES, identifiers_of(name, text))):
            for rule, instead in rules:
                for found in rule.finditer(place):
                    line = text.count("\n", 0, found.start()) + 1
                    yield name, f"{name}:{line}: '{found[0]}': {instead}"


def wide_lines(root):
    for name, text in files_of(root, WIDTH_FOLDERS, C):
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > WIDTH:
                yield name, f"{name}:{number}: {len(line)} columns, at most {WIDTH}"


def check(root):
    """What is wrong, as pairs of a file and a line of text."""
    return [*wrong_words(root), *wide_lines(root)]


CLEAN = {
    "src/a.c": "/* The caller is told that the kernel may give up; the rest is the peer's. Lends out. */\n"
               "int notify(int left, int release); /* WEIR_CLOSE_GOING_AWAY */\n" + "x" * WIDTH + "\n",
    "docs/a.md": "Resident memory of a session, which tells little. 1001 says that a server is going away.\n" + "x" * 300 + "\n",
    "tests/a.c": "/* A turnstile, which no rule of tests forbids. */\n",
}

PLANTED = (
    ("src/a.c", "int strike(void);\n"),
    ("src/a.c", "/* A session that is at\n * rest. */\n"),
    ("src/a.c", "bool session_rests;\n"),
    ("src/a.c", "struct weir__turnstile lock;\n"),
    ("src/a.c", "static void tell(void);\n"),
    ("src/a.c", "/* As give_up() does. */\n"),
    ("src/a.c", "bool spare;\n"),
    ("src/a.c", "int resident_memory;\nint resident;\n"),
    ("include/weir/a.h", "void weir_going_away(void);\n"),
    ("cli/a.c", 'puts("The handler loses its patience.");\n'),
    ("docs/a.md", "An Arrival is served.\n"),
    ("docs/a.md", "As `let_go` does.\n"),
    ("bench/a.py", "# Drowsy.\n"),
    ("tests/a.c", "x" * (WIDTH + 1) + "\n"),
    ("fuzz/a.h", "/* " + "x" * WIDTH + " */\n"),
)


def check_planted(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return check(root)


def prove_that_it_can_fail():
    assert not check_planted(CLEAN), check_planted(CLEAN)
    for name, text in PLANTED:
        assert check_planted({name: text}), f"the checker does not see: {name}: {text}"


def main():
    prove_that_it_can_fail()
    found = check(pathlib.Path(os.environ.get("WEIR_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2])))
    print("\n".join(text for _, text in found) or "every word and every width is right")
    for folder, count in sorted(collections.Counter("/".join(name.split("/")[:2]) for name, _ in found).items()):
        print(f"{count:6} in {folder}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
