"""What the figures were measured on."""

import os
import pathlib
import platform
import re

from driver.servers import CORES, GENERATOR_CORE, ROOT, SERVER_CORE, WEIR, run


def first(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1).strip() if found else "unknown"


def read(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def version_of(*command):
    try:
        return (run(list(command)).stdout.splitlines() or ["unknown"])[0]
    except OSError:
        return "not installed"


def describe():
    commit = run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])
    return {
        "cpu": first(r"^model name\s*:(.*)$", read("/proc/cpuinfo")),
        "cores": len(CORES),
        "server core": SERVER_CORE,
        "generator core": GENERATOR_CORE,
        "memory": f"{int(first(r'^MemTotal: +([0-9]+)', read('/proc/meminfo'))) / 1024 / 1024:.1f} GiB",
        "virtual": "hypervisor" in read("/proc/cpuinfo"),
        "system": first(r'^PRETTY_NAME="(.*)"', read("/etc/os-release")),
        "kernel": platform.release(),
        "compiler": version_of("gcc", "--version"),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "weir": " ".join(run([WEIR, "--version"]).stdout.split("\n")[:2]),
        "commit": commit.stdout.strip() or "unknown",
    }
