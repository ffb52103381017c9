#!/usr/bin/python3 -B
# ctest: once
"""Command lines: a mistake ends with 2 and one clear line; a request for help prints it."""

import unittest

from peer import weir

URL = "ws://127.0.0.1:0/"

# Arguments, and what the one line on standard error has to name.
MISTAKES = [
    ([], "no command"),
    (["frobnicate"], "'frobnicate'"),
    (["--frobnicate"], "'--frobnicate'"),
    (["demo", "more"], "'more'"),
    (["demo", "--loop", "epoll"], "'--loop'"),
    (["echo"], "no URL"),
    (["echo", URL, "more"], "'more'"),
    (["echo", "http://127.0.0.1:0/"], "'http://127.0.0.1:0/'"),
    (["echo", "ws://"], "'ws://'"),
    (["echo", "ws://127.0.0.1:99999/"], "99999"),
    (["echo", "ws://127.0.0.1:0/#part"], "#part"),
    (["echo", "--frobnicate", URL], "'--frobnicate'"),
    (["echo", "-x", URL], "'-x'"),
    (["echo", "--stream=yes", URL], "--stream"),
    (["echo", URL, "--loop"], "--loop"),
    (["echo", URL, "--loop", "kqueue"], "'kqueue'"),
    (["echo", URL, "--threads", "0"], "'0'"),
    (["echo", URL, "--threads", "1025"], "'1025'"),
    (["echo", URL, "--threads", "-1"], "'-1'"),
    (["echo", URL, "--threads", "two"], "'two'"),
    (["echo", URL, "--threads", ""], "''"),
    (["echo", URL, "--threads", "99999999999999999999"], "'99999999999999999999'"),
    (["echo", URL, "--max-frame", "1T"], "'1T'"),
    (["echo", URL, "--max-frame", "1KK"], "'1KK'"),
    (["echo", URL, "--max-message", "K"], "'K'"),
    (["echo", URL, "--max-message", "99999999999G"], "'99999999999G'"),
    (["echo", URL, "--ping-interval", "1.5"], "'1.5'"),
    (["echo", URL, "--ping-timeout", "never"], "'never'"),
    (["echo", URL, "--max-message", "no"], "'no'"),
    (["echo", URL, "--threads", "none"], "'none'"),
    (["connect"], "no URL"),
    (["connect", "localhost"], "'localhost'"),
    (["connect", URL, "--header"], "--header"),
    (["connect", URL, "--header", "no colon"], "'no colon'"),
    (["connect", URL, "--header", ": nameless"], "': nameless'"),
    (["connect", "ws://127.0.0.1:1/", "--header", "Upgrade: again"], "header"),
    (["connect", "ws://127.0.0.1:1/", "--header", "Bad Name: x"], "header"),
    (["connect", "ws://127.0.0.1:1/", "--subprotocol", "two words"], "subprotocol"),
    (["connect", "ws://127.0.0.1:1/", "--origin", "two\r\nlines"], "origin"),
    (["bench"], "no URL"),
    (["bench", "http://127.0.0.1:1/"], "'http://127.0.0.1:1/'"),
    (["bench", "wss://127.0.0.1:1/"], "TLS"),
    (["bench", "tcp://127.0.0.1:1/path"], "tcp://HOST:PORT"),
    (["bench", "tcp://"], "tcp://HOST:PORT"),
    (["bench", "tcp://127.0.0.1:1", "--deflate"], "--deflate"),
    (["bench", URL, "--connections", "0"], "without connections"),
    (["bench", URL, "--connections", "1000000", "--idle", "1"], "a million"),
    (["bench", URL, "--depth", "0"], "'0'"),
    (["bench", URL, "--depth", "65536", "--size", "1M"], "1G"),
    (["bench", URL, "--size", "2G"], "1G"),
    (["bench", URL, "--seconds", "0.5"], "'0.5'"),
    (["bench", URL, "--handshakes", "--depth", "2"], "--handshakes"),
    (["bench", URL, "--handshakes", "--idle", "2"], "--handshakes"),
    (["bench", URL, "--handshakes", "--rate", "2"], "--handshakes"),
]


class Usage(unittest.TestCase):
    def test_each_mistake_ends_with_2_and_one_line_that_names_it(self):
        for arguments, named in MISTAKES:
            with self.subTest(arguments=arguments):
                status, out, err = weir(*arguments)
                self.assertEqual((status, out), (2, b""))
                self.assertRegex(err, r"^weir[^\n]*: [^\n]+\n$")
                self.assertIn(named, err)

    def test_help_names_every_option(self):
        expected = {
            None: ["demo", "echo", "connect", "bench", "--version"],
            "demo": ["--help"],
            "echo": ["--loop", "--threads", "--max-frame", "--max-message", "--stream", "--on-message", "--ping-interval",
                     "--ping-timeout", "SIGUSR1"],
            "connect": ["--header", "--subprotocol", "--origin", "--binary", "--exit-on-eof", "--loop", "Exit status"],
            "bench": ["--connections", "--depth", "--size", "--binary", "--deflate", "--seconds", "--count", "--rate", "--handshakes",
                      "--idle", "--streams", "--pid", "--json", "tcp://HOST:PORT", "Exit status"],
        }
        for command, words in expected.items():
            for flag in ("--help", "-h"):
                status, out, err = weir(*([command] if command else []), flag)
                self.assertEqual((status, err), (0, ""))
                self.assertTrue(out.startswith(b"Usage: weir "), out)
                for word in words:
                    self.assertIn(word, out.decode())
        self.assertEqual(weir("help")[1], weir("--help")[1])

    def test_help_comes_before_what_is_missing(self):
        self.assertEqual(weir("echo", "--max-frame", "1", "--help")[0], 0)

    def test_version_prints_back_ends_and_options(self):
        status, out, err = weir("--version")
        self.assertEqual((status, err), (0, ""))
        version, built, loops = out.decode().splitlines()
        self.assertRegex(version, r"^weir \d+\.\d+\.\d+$")
        self.assertRegex(built, r"^built with: (.+ )?epoll( .+)?$")
        self.assertRegex(built, r" context=\w+")
        self.assertRegex(loops, r"^loops here: .*epoll.* \(default: (epoll|io_uring)\)$")


if __name__ == "__main__":
    unittest.main()
