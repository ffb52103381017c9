#!/usr/bin/python3 -B
# ctest: loops
"""weir demo prints each step, and fails where a step does."""

import os
import resource
import subprocess
import unittest

from peer import TIMEOUT, WEIR, weir

STEPS = [("listen", "the server is at ws://127.0.0.1:"), ("connect", "/echo"), ("text", "Hello, weir"),
         ("binary", "100000 bytes"), ("fragments", "3 fragments"), ("ping", "pong came back in"),
         ("close by client", "NORMAL (1000)"), ("close by server", "GOING_AWAY (1001)"),
         ("refused upgrade", "HTTP 403 Forbidden")]


class Demo(unittest.TestCase):
    def test_each_step_is_printed_in_one_line(self):
        status, out, err = weir("demo")
        self.assertEqual((status, err), (0, ""))
        lines = out.decode().splitlines()
        self.assertIn(os.environ.get("WEIR_LOOP", ""), lines[0])
        for number, (name, detail) in enumerate(STEPS, 1):
            line = lines[1 + number]
            self.assertTrue(line.startswith(f"{number}. {name} "), line)
            self.assertIn(detail, line)

    def test_the_end_says_how_to_go_on(self):
        lines = weir("demo")[1].decode().splitlines()
        self.assertIn(f"All {len(STEPS)} steps went as they should.", lines[-4])
        for line, command in zip(lines[-3:], ("echo ws://", "connect ws://", "--help")):
            self.assertTrue(line.strip().startswith(f"{WEIR} {command}"), line)

    def test_a_step_that_fails_is_named_and_ends_it_with_1(self):
        """One more descriptor at a time, until they are enough to listen and too few to connect."""
        for files in range(4, 16):
            limit = lambda files=files: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
            status, out, err = weir("demo", preexec_fn=limit)
            self.assertNotEqual(status, 0, "connecting never failed")
            if "step 2" in err:
                break
        self.assertEqual(status, 1)
        self.assertRegex(err, r"^weir demo: step 2 \(connect\) failed: [^\n]+\n$")
        self.assertTrue(out.decode().splitlines()[-1].startswith("1. listen"))

    def test_an_output_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([WEIR, "demo"], stdout=full, stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
        self.assertEqual((done.returncode, done.stderr), (7, b"weir: standard output could not be written\n"))


if __name__ == "__main__":
    unittest.main()
