"""What the tests in Python share: `weir echo` as a process, and how a list of facts is run."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback

DEADLINE = 30  # seconds for one fact, and for a process to end: only a hang takes so long
SIZES = (0, 1, 125, 126, 127, 65535, 65536, 1 << 20)
TEXT = "\x00 aé κόσμε 鼎 😀 \U0010ffff"  # characters of one to four bytes


class Echo:
    """A running `weir echo`. The end of the `with` stops it, and it has to end with status 0."""

    def __init__(self, *options, url="ws://127.0.0.1:0/echo"):
        command = [os.environ["WEIR_BIN"], "echo", url, *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        first = self.process.stderr.readline()
        assert first.startswith("listening on "), f"{command}: {first}"
        self.url = first.split()[-1]
        self._said = []
        self._asked_to_end = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self._said.append(line)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            self.stop()
        finally:
            self.process.kill()
            self._reader.join()
            if kind is not None or self.process.returncode != 0:
                sys.stderr.writelines(self._said)

    def terminate(self):
        """Once: the second signal would end it without closing anything."""
        if not self._asked_to_end:
            self._asked_to_end = True
            self.process.send_signal(signal.SIGTERM)

    def stop(self):
        self.terminate()
        status = self.process.wait(DEADLINE)
        assert status == 0, f"weir echo ended with status {status}"

    def descriptors(self):
        """How many files and sockets it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


async def until(holds):
    """Waits for a condition, as long as a fact may take."""
    while not holds():
        await asyncio.sleep(0.02)


def run_fact(name, fact, *arguments):
    """Runs one fact, a coroutine function, and says whether it holds."""
    try:
        asyncio.run(asyncio.wait_for(fact(*arguments), DEADLINE))
    except Exception:
        print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
        return False
    print(f"ok      {name}", flush=True)
    return True


def run(in_each_shape, alone):
    """Runs what holds of a server in each of its shapes (facts that get the Echo), then what needs
    a server of its own. Returns the status for sys.exit()."""
    held = []
    with tempfile.TemporaryDirectory(prefix="weir-peers-") as place:
        shapes = {
            "a coroutine a session": {},
            "a function a message": {"options": ["--on-message"]},
            "pieces": {"options": ["--stream"]},
            "two threads": {"options": ["--threads", "2"]},
            "a Unix socket": {"url": f"ws+unix:{place}/socket:/echo"},
        }
        for shape, how in shapes.items():
            with Echo(*how.pop("options", []), **how) as echo:
                for fact in in_each_shape:
                    held.append(run_fact(f"{fact.__name__} ({shape})", fact, echo))
    for fact in alone:
        held.append(run_fact(fact.__name__, fact))
    print(f"{held.count(True)} hold, {held.count(False)} do not")
    return 0 if all(held) else 1
