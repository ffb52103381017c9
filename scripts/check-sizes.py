#!/usr/bin/env python3
"""Refuses functions over 60 lines and files over 600: check-sizes.py FILE...

The format is enforced, so a function of ours opens with a brace alone in the first column and ends
the same way. A longer one is allowed when the comment above it says "Pure dispatch".
"""

import re
import sys

FUNCTION_LINES = 60
FILE_LINES = 600


def comment_above(lines, opening):
    """The lines of signature and comment that stand above an opening brace."""
    first = opening
    while first > 0 and lines[first - 1].strip() and lines[first - 1] != "}":
        first -= 1
    return " ".join(lines[first:opening])


def name_of(lines, opening):
    signature = " ".join(line for line in lines[max(0, opening - 4):opening])
    names = re.findall(r"(\w+)\s*\(", signature)
    return names[-1] if names else "?"


def long_functions(lines):
    opening = None
    for number, line in enumerate(lines):
        if line == "{":
            opening = number
        elif line == "}" and opening is not None:
            length = number - opening - 1
            allowed = re.search(r"pure dispatch", comment_above(lines, opening), re.IGNORECASE)
            if length > FUNCTION_LINES and not allowed:
                yield opening + 1, name_of(lines, opening), length
            opening = None


def main(paths):
    bad = 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        if len(lines) > FILE_LINES:
            print(f"{path}: {len(lines)} lines, at most {FILE_LINES}")
            bad += 1
        for number, name, length in long_functions(lines):
            print(f"{path}:{number}: {name} has {length} lines, at most {FUNCTION_LINES}")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
