#!/usr/bin/env python3
"""Turns our headers into what Doxygen expects, line by line: doxygen-filter.py HEADER

A comment before several declarations that stand together, no blank line between them, is about all of
them: Doxygen would give it to the first alone. And the brief is the first sentence, so that the mark
"**Suspends.**" in front of it must not end in a full stop.
"""

import re
import sys


def starts_declaration(lines, index):
    """Whether a declaration of its own starts at lines[index]: indented lines only continue one."""
    return re.match(r"(WEIR_|typedef |extern |struct |enum |const |[a-z])", lines[index]) is not None


def share_comments(lines):
    """Repeats a comment, on one line, before each further declaration of its group."""
    comment = []
    in_comment = False
    declared = False  # the comment's first declaration is complete
    braces = 0
    for index, line in enumerate(lines):
        outside = braces == 0 and not in_comment
        if outside and line.startswith("/**"):
            comment, in_comment, declared = [], True, False
        if in_comment:
            comment.append(line.strip())
            in_comment = "*/" not in line
            yield line
            continue
        if outside and (not line or line.startswith("#") or line.startswith("/*")):
            comment = []
        if outside and comment and declared and starts_declaration(lines, index):
            text = " ".join(re.sub(r"^\*(?!/) ?", "", part) for part in comment)
            line = f"{text} {line}"
            declared = False
        code = re.sub(r"/\*.*?\*/", "", line)
        braces += code.count("{") - code.count("}")
        declared = declared or (braces == 0 and code.rstrip().endswith(";"))
        yield line


def main(path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for line in share_comments(lines):
        print(line.replace("**Suspends.**", "**Suspends:**"))


if __name__ == "__main__":
    main(sys.argv[1])
