#!/usr/bin/env python3
"""Prints line coverage by file and by storey from a tree of gcov data, and fails where a storey is below its bar: coverage.py BUILD_DIR"""

import collections
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BARS = {"base": 98, "wire": 98, "codec": 90, "rt": 90, "net": 90, "ws": 90}  # per cent of a storey's lines


def read_gcov(build):
    """lines[source][number] = times executed, over all objects that were run."""
    lines = collections.defaultdict(dict)
    notes = sorted(str(path) for path in build.rglob("*.gcno") if "objects.dir/src" in str(path))
    for note in notes:
        command = ["gcov", "--json-format", "--stdout", note]
        output = subprocess.run(command, cwd=build, capture_output=True, check=True, text=True)
        for text in output.stdout.splitlines():
            if not text.startswith("{"):
                continue
            report = json.loads(text)
            for file in report["files"]:
                path = pathlib.Path(os.path.join(report["current_working_directory"], file["file"]))
                count_lines(lines, path.resolve(), file["lines"])
    return lines


def count_lines(lines, path, counted):
    if (ROOT / "src") not in path.parents:
        return
    source = str(path.relative_to(ROOT))
    for line in counted:
        number = line["line_number"]
        lines[source][number] = lines[source].get(number, 0) + line["count"]


def ratio(counts):
    total = len(counts)
    return sum(1 for count in counts if count), total


def missed_ranges(lines):
    """Lines never run, as 12-15,20."""
    ranges = []
    for number in sorted(number for number, count in lines.items() if not count):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


def print_row(name, hit, total, missed=""):
    print(f"{name:40} {100 * hit / max(total, 1):6.1f} %  {hit:5}/{total:<5}  {missed}")


def main(build):
    lines = read_gcov(pathlib.Path(build).resolve())
    storeys = collections.defaultdict(list)
    for source in sorted(lines):
        hit, total = ratio(lines[source].values())
        print_row(source, hit, total, missed_ranges(lines[source]))
        storeys[source.split("/")[1]].extend(lines[source].values())
    print()
    return 0 if all([hold_bar(storey, storeys[storey], bar) for storey, bar in BARS.items()]) else 1


def hold_bar(storey, counts, bar):
    hit, total = ratio(counts)
    holds = 100 * hit >= bar * max(total, 1)
    print_row(storey, hit, total, f"{'at least' if holds else 'BELOW'} {bar} %")
    return holds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
