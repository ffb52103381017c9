#!/usr/bin/python3 -B
# ctest: loops threads
"""weir echo: a server as its options say, which signals end or make print its coroutines."""

import contextlib
import os
import resource
import signal
import socket
import struct
import tempfile
import unittest

from peer import BINARY, CLOSE, TIMEOUT, PING, PONG, TEXT, Echo, Process, client, weir


class Listening(unittest.TestCase):
    def test_port_0_takes_a_free_one_and_says_which(self):
        with Echo() as echo, Echo() as other:
            self.assertRegex(echo.url, r"^ws://127\.0\.0\.1:[1-9]\d*/$")
            self.assertNotEqual(echo.url, other.url)

    def test_a_path_is_the_only_one_served(self):
        with Echo(url="ws://127.0.0.1:0/chat") as echo:
            self.assertRegex(echo.url, r"^ws://127\.0\.0\.1:\d+/chat$")
            with client(echo.url):
                pass
            status, _, err = weir("connect", echo.url.replace("/chat", "/other"))
            self.assertEqual(status, 4)
            self.assertIn("HTTP 404", err)

    def test_a_unix_socket_is_served_again_and_again(self):
        with tempfile.TemporaryDirectory() as folder:
            url = f"ws+unix:{folder}/socket"
            for _ in range(2):
                with Echo(url=url) as echo, client(echo.url) as peer:
                    self.assertTrue(echo.url.startswith(url), echo.url)
                    peer.send(TEXT, b"over there")
                    self.assertEqual(peer.message(), (TEXT, b"over there"))
                    self.assertEqual(weir("echo", url)[0], 1)

    def test_a_port_that_is_taken_ends_it_with_1(self):
        with Echo() as echo:
            status, _, err = weir("echo", echo.url)
            self.assertEqual(status, 1)
            self.assertRegex(err, r"^weir echo: cannot serve [^\n]*: Address already in use\n$")

    def test_the_loop_that_is_asked_for_serves(self):
        for loop in ("epoll", "io_uring"):
            if loop not in weir("--version")[1].decode().splitlines()[2]:
                continue
            with Echo("--loop", loop) as echo, client(echo.url) as peer:
                peer.send(TEXT, b"hello")
                self.assertEqual(peer.message(), (TEXT, b"hello"))
                names = {os.readlink(f"/proc/{echo.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{echo.process.pid}/fd")}
                self.assertEqual("anon_inode:[io_uring]" in names, loop == "io_uring", names)

    def test_the_soft_limit_of_open_files_is_raised(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        lower = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        with Process("echo", "ws://127.0.0.1:0/", preexec_fn=lower) as echo:
            echo.wait_for("\n")
            self.assertEqual(resource.prlimit(echo.process.pid, resource.RLIMIT_NOFILE), (hard, hard))


class Echoing(unittest.TestCase):
    """What comes back is the same with each shape of handler."""

    shapes = [[], ["--on-message"], ["--stream"], ["--stream", "--on-message"], ["--threads", "2"]]

    def test_every_shape_sends_back_text_binary_and_nothing(self):
        for options in self.shapes:
            with self.subTest(options=options), Echo(*options) as echo, client(echo.url) as peer:
                for opcode, payload in [(TEXT, "grün".encode()), (BINARY, bytes(range(256)) * 1000), (TEXT, b""), (BINARY, b"")]:
                    peer.send(opcode, payload)
                    self.assertEqual(peer.message(), (opcode, payload))
                peer.close(1000)
                self.assertEqual(peer.close_code(), 1000)
                self.assertTrue(peer.ended())

    def test_every_shape_keeps_a_fragmented_message_together(self):
        for options in self.shapes:
            with self.subTest(options=options), Echo(*options) as echo, client(echo.url) as peer:
                peer.send(TEXT, b"one ", fin=False)
                peer.send(PING, b"between")
                peer.send(0, b"two ", fin=False)
                peer.send(0, b"three")
                self.assertEqual(peer.message(), (TEXT, b"one two three"))

    def test_without_stream_a_message_waits_for_its_end(self):
        with Echo() as echo, client(echo.url) as peer:
            peer.send(BINARY, b"first", fin=False)
            peer.send(PING, b"go on")
            self.assertEqual(peer.frame(), (True, PONG, b"go on"))
            peer.send(0, b" last")
            self.assertEqual(peer.frame(), (True, BINARY, b"first last"))

    def test_with_stream_a_piece_comes_back_before_the_rest_is_sent(self):
        for options in (["--stream"], ["--stream", "--on-message"]):
            with Echo(*options, "--max-message", "none") as echo, client(echo.url) as peer:
                peer.send(TEXT, b"first", fin=False)
                self.assertEqual(peer.frame(), (False, TEXT, b"first"))
                peer.send(0, b"last")
                self.assertEqual(peer.frame(), (True, 0, b"last"))

    def test_with_stream_a_part_of_a_frame_comes_back_too(self):
        with Echo("--stream", "--max-message", "none", "--max-frame", "none") as echo, client(echo.url) as peer:
            peer.sock.sendall(struct.pack(">BBQ", 0x82, 0xFF, 1 << 40) + bytes(4) + b"of a tebibyte")
            self.assertEqual(peer.frame(), (False, BINARY, b"of a tebibyte"))

    def test_many_clients_of_two_threads_are_all_served(self):
        with Echo("--threads", "2") as echo, contextlib.ExitStack() as stack:
            peers = [stack.enter_context(client(echo.url)) for _ in range(20)]
            for number, peer in enumerate(peers):
                peer.send(TEXT, b"%d" % number)
            for number, peer in enumerate(peers):
                self.assertEqual(peer.message(), (TEXT, b"%d" % number))


class Limits(unittest.TestCase):
    def refused(self, options, *frames):
        with Echo(*options) as echo, client(echo.url) as peer:
            for frame in frames:
                peer.send(*frame)
            return peer.close_code()

    def test_a_message_of_the_limit_passes_and_one_more_byte_is_1009(self):
        with Echo("--max-message", "1K") as echo, client(echo.url) as peer:
            peer.send(BINARY, bytes(1000), False)
            peer.send(0, bytes(24))
            self.assertEqual(peer.message(), (BINARY, bytes(1024)))
            peer.send(BINARY, bytes(1000), False)
            peer.send(0, bytes(25))
            self.assertEqual(peer.close_code(), 1009)

    def test_a_frame_of_the_limit_passes_and_one_more_byte_is_1009(self):
        with Echo("--max-frame", "100") as echo, client(echo.url) as peer:
            peer.send(BINARY, bytes(100), False)
            peer.send(0, bytes(100))
            self.assertEqual(peer.message(), (BINARY, bytes(200)))
            peer.send(BINARY, bytes(101))
            self.assertEqual(peer.close_code(), 1009)

    def test_the_limits_hold_for_each_shape(self):
        for shape in (["--on-message"], ["--stream"], ["--stream", "--on-message"]):
            with self.subTest(shape=shape):
                self.assertEqual(self.refused(shape + ["--max-message", "9"], (TEXT, b"12345", False), (0, b"67890")), 1009)
                self.assertEqual(self.refused(shape + ["--max-frame", "9"], (TEXT, b"1234567890")), 1009)

    def test_the_default_is_a_mebibyte_and_there_may_be_none(self):
        for options in ([], ["--max-message", "0", "--max-frame", "0"]):
            with self.subTest(options=options):
                self.assertEqual(self.refused(options, (BINARY, bytes(1 << 20), False), (0, b"x")), 1009)
        with Echo("--max-message", "none") as echo, client(echo.url) as peer:
            peer.send(BINARY, bytes((1 << 20) + 1))
            self.assertEqual(peer.message(), (BINARY, bytes((1 << 20) + 1)))


class Pings(unittest.TestCase):
    def test_a_client_that_never_pongs_is_closed_with_1011(self):
        for shape in ([], ["--on-message"]):
            with Echo("--ping-interval", "20", "--ping-timeout", "100", *shape) as echo, client(echo.url) as peer:
                self.assertEqual(peer.frame()[:2], (True, PING))
                self.assertEqual(peer.close_code(), 1011)
                self.assertTrue(peer.ended())

    def test_a_client_that_pongs_stays(self):
        with Echo("--ping-interval", "10", "--ping-timeout", "10000") as echo, client(echo.url) as peer:
            for _ in range(5):
                fin, opcode, payload = peer.frame()
                self.assertEqual((fin, opcode), (True, PING))
                peer.send(PONG, payload)
            peer.send(TEXT, b"still here")
            self.assertEqual(peer.message(), (TEXT, b"still here"))


class Signals(unittest.TestCase):
    def test_int_and_term_close_every_session_with_1001_and_end_it_with_0(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            for options in ([], ["--on-message"], ["--threads", "2"]):
                with self.subTest(number=number, options=options), Echo(*options) as echo, contextlib.ExitStack() as stack:
                    peers = [stack.enter_context(client(echo.url)) for _ in range(4)]
                    echo.signal(number)
                    for peer in peers:
                        self.assertEqual(peer.close_code(), 1001)
                        peer.close(1001)
                        self.assertTrue(peer.ended())
                        peer.sock.close()
                    self.assertEqual(echo.end(), 0)

    def test_nobody_is_accepted_once_it_is_to_end(self):
        with Echo() as echo, client(echo.url) as peer:
            echo.signal(signal.SIGTERM)
            self.assertEqual(peer.close_code(), 1001)
            port = int(echo.url.rsplit(":", 1)[1].strip("/"))
            with self.assertRaises(ConnectionError):
                with socket.create_connection(("127.0.0.1", port), TIMEOUT) as sock:
                    sock.sendall(b"x")
                    while sock.recv(100):
                        pass
                    raise ConnectionResetError
            peer.close(1001)

    def test_a_second_signal_does_not_wait_for_a_peer_that_is_silent(self):
        with Process("echo", "ws://127.0.0.1:0/") as echo:
            echo.wait_for("\n")
            with client(echo.said.split()[-1]) as peer:
                echo.signal(signal.SIGTERM)
                self.assertEqual(peer.close_code(), 1001)
                echo.signal(signal.SIGTERM)
                self.assertEqual(echo.end(), 128 + signal.SIGTERM)

    def test_a_session_in_mid_message_hears_1001_too(self):
        with Echo("--stream") as echo, client(echo.url) as peer:
            peer.send(TEXT, b"half", fin=False)
            self.assertEqual(peer.frame(), (False, TEXT, b"half"))
            echo.signal(signal.SIGINT)
            self.assertEqual(peer.frame()[1], CLOSE)
            peer.close(1001)

    def test_usr1_dumps_the_coroutine_of_a_live_session(self):
        for threads in ("1", "2"):
            with self.subTest(threads=threads), Echo("--threads", threads) as echo, client(echo.url) as peer:
                peer.send(TEXT, b"there")
                self.assertEqual(peer.message(), (TEXT, b"there"))
                echo.signal(signal.SIGUSR1)
                echo.wait_for("handler")
                peer.send(TEXT, b"and still there")
                self.assertEqual(peer.message(), (TEXT, b"and still there"))

    def test_usr1_dumps_a_session_that_has_no_coroutine(self):
        with Echo("--on-message") as echo, client(echo.url) as peer:
            peer.send(TEXT, b"there")
            self.assertEqual(peer.message(), (TEXT, b"there"))
            echo.signal(signal.SIGUSR1)
            echo.wait_for("session")


if __name__ == "__main__":
    unittest.main()
