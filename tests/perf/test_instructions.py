#!/usr/bin/python3 -B
# ctest: once timeout=120
"""Performance without a clock: instructions of fixed work, counted by callgrind, against those in expected.json.

Fails when a count is off by more than the tolerance, in either direction: what became cheaper is to stay so. After a change that
is meant: tests/perf/test_instructions.py --write (with WEIR_BUILD_DIR=build/release), and commit expected.json with it.
Counts hold for one compiler and processor: anywhere else it is skipped.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
EXPECTED = HERE / "expected.json"
TOLERANCE = 0.05
SKIPPED = 77


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def build_of(folder):
    """Compiler and kind of a build: what the counts depend on beside the source."""
    cache = (folder / "CMakeCache.txt").read_text()
    compiler = re.search(r"^CMAKE_C_COMPILER:\w+=(.*)$", cache, re.MULTILINE).group(1)
    kind = re.search(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", cache, re.MULTILINE).group(1)
    said = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
    name = "clang" if "clang" in said else "gcc"
    version = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True, check=True).stdout
    vectors = "avx2" if " avx2 " in pathlib.Path("/proc/cpuinfo").read_text() else "none"
    return f"{name} {version.split('.')[0].strip()}, {kind}, {os.uname().machine}, {vectors}"


def count(program):
    """Instructions a time, by workload."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/out",
                                   str(program)], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            skip("valgrind is not installed")
        assert done.returncode == 0, done.stderr
        times = {name: int(number) for number, name in re.findall(r"^(\d+) (.*)$", done.stdout, re.MULTILINE)}
        found = {}
        for path in pathlib.Path(folder).iterdir():
            text = path.read_text()
            name = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
            if name:
                total = int(re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE).group(1))
                found[name.group(1)] = total / times[name.group(1)]
    if not found and times:
        skip("built without valgrind/callgrind.h")
    assert set(found) == set(times), (found, times)
    return found


def complaints(expected, counted):
    """One line for each workload that is off, new or gone."""
    lines = []
    for name in sorted(set(expected) | set(counted)):
        if name not in expected or name not in counted:
            lines.append(f"{name}: {'not expected' if name in counted else 'not counted'}")
            continue
        change = counted[name] / expected[name] - 1
        if abs(change) > TOLERANCE:
            lines.append(f"{name}: {counted[name]:,.1f} instructions, expected {expected[name]:,.1f}: {change:+.1%}")
    return lines


def check_the_checker():
    expected = {"same": 100, "dearer": 100, "cheaper": 100, "within": 100, "gone": 1}
    counted = {"same": 100, "dearer": 106, "cheaper": 94, "within": 104.9, "new": 1}
    assert [line.split(":")[0] for line in complaints(expected, counted)] == ["cheaper", "dearer", "gone", "new"]


def main():
    check_the_checker()
    folder = pathlib.Path(os.environ["WEIR_BUILD_DIR"])
    build = build_of(folder)
    writes = sys.argv[1:] == ["--write"]
    known = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    if not writes and known.get("build") != build:
        skip(f"the counts are of {known.get('build')}; this is {build}")
    counted = count(folder / "tests/perf_workloads")
    for name, instructions in counted.items():
        print(f"{name}: {instructions:,.1f}")
    if writes:
        rounded = {name: round(instructions, 1) for name, instructions in sorted(counted.items())}
        EXPECTED.write_text(json.dumps({"build": build, "instructions": rounded}, indent=1) + "\n")
        return 0
    bad = complaints(known["instructions"], counted)
    if bad:
        print("\n".join(["", *bad, "", "If that is meant: WEIR_BUILD_DIR=build/release tests/perf/test_instructions.py --write"]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
