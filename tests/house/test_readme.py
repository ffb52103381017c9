#!/usr/bin/env python3
# ctest: once serial
"""The programs in README.md are what they claim to be: they compile as they stand there, with nothing but a compiler and
the library, and the client gets its answer from the server. The commands and files that it names are there."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(os.environ["WEIR_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["WEIR_BUILD_DIR"])
CC = os.environ.get("WEIR_CC", "cc")


def compile_block(text, where, name):
    source = where / f"{name}.c"
    source.write_text(text)
    subprocess.run([CC, f"-I{SOURCE}/include", "-Wall", "-Werror", str(source), "-o", str(where / name),
                    f"-L{BUILD}", "-lweir", f"-Wl,-rpath,{BUILD}"], check=True)
    return str(where / name)


def wait_until_open(port):
    for _ in range(400):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens on {port}")


def main():
    readme = (SOURCE / "README.md").read_text()
    blocks = re.findall(r"```c\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) == 2, len(blocks)
    with tempfile.TemporaryDirectory() as scratch:
        where = pathlib.Path(scratch)
        server = subprocess.Popen([compile_block(blocks[0], where, "server")])
        try:
            wait_until_open(9001)
            done = subprocess.run([compile_block(blocks[1], where, "client")], capture_output=True, timeout=30)
            assert (done.returncode, done.stdout) == (0, b"Hello, weir!\n"), done
        finally:
            server.terminate()
            server.wait()
    for target in re.findall(r"\]\(([^)#]+)\)", readme):
        assert (SOURCE / target).exists(), target
    makefile = (SOURCE / "Makefile").read_text()
    for target in re.findall(r"`?make ([a-z]+)", readme):
        assert f"\n{target}:" in makefile, target


if __name__ == "__main__":
    sys.exit(main())
