#!/usr/bin/python3 -B
# ctest: timeout=120
"""weir bench: what it sends, what it counts, and what it refuses to count. No speed is asserted."""

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from peer import BINARY, CLOSE, PING, PONG, TEXT, Echo, accept, has_deflate, read_head, server, weir


def bench(url, *options):
    """The figures of a run."""
    status, out, err = weir("bench", url, "--json", *options)
    assert (status, err) == (0, ""), (status, out, err)
    return json.loads(out)


class RawEcho:
    """Sends back every byte of any number of connections; .seen has what came on each."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.seen = []
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.seen.append(bytearray())
            threading.Thread(target=self.echo, args=(sock, self.seen[-1]), daemon=True).start()

    @staticmethod
    def echo(sock, seen):
        with sock:
            try:
                while data := sock.recv(65536):
                    seen += data
                    sock.sendall(data)
            except OSError:
                pass

    def __exit__(self, *_):
        self.listener.close()


class Echoes(unittest.TestCase):
    def test_a_count_is_reached_exactly(self):
        with Echo() as echo:
            for options in ([], ["--depth", "7"], ["--binary", "--size", "0"], ["--size", "200K", "--connections", "2"]):
                figures = bench(echo.url, "--connections", "3", "--count", "50", "--seconds", "60", *options)
                self.assertEqual((figures["kind"], figures["count"]), ("messages", 50))
                self.assertGreater(figures["per_second"], 0)
                self.assertGreaterEqual(figures["latency_us"]["largest"], figures["latency_us"]["median"])

    def test_the_clock_ends_a_run(self):
        with Echo() as echo:
            figures = bench(echo.url, "--connections", "2", "--seconds", "1")
        self.assertGreater(figures["count"], 0)
        self.assertGreaterEqual(figures["seconds"], 1)
        self.assertAlmostEqual(figures["megabytes_per_second"], figures["per_second"] * 64 / 1e6, places=3)

    def test_messages_of_a_mebibyte(self):
        with Echo() as echo:
            figures = bench(echo.url, "--connections", "4", "--size", "1M", "--count", "12", "--seconds", "60")
        self.assertEqual(figures["count"], 12)

    def test_a_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder, Echo(url=f"ws+unix:{folder}/socket") as echo:
            self.assertEqual(bench(echo.url, "--count", "10")["count"], 10)

    @unittest.skipUnless(has_deflate(), "built without zlib")
    def test_compression(self):
        for setting in ("--deflate", "--deflate=takeover", "--deflate=min=1,client-window=9,server-window=9"):
            with Echo(setting) as echo:
                figures = bench(echo.url, setting, "--size", "1K", "--connections", "2", "--depth", "3", "--count", "300",
                                "--seconds", "60")
            self.assertEqual(figures["count"], 300)

    def test_handshakes(self):
        with Echo() as echo:
            figures = bench(echo.url, "--handshakes", "--connections", "4", "--count", "40", "--seconds", "60")
        self.assertEqual((figures["kind"], figures["count"]), ("handshakes", 40))

    def test_a_rate_is_not_exceeded(self):
        with Echo() as echo:
            figures = bench(echo.url, "--connections", "5", "--rate", "50", "--seconds", "1")
        self.assertLessEqual(figures["count"], 51)
        self.assertGreater(figures["count"], 0)

    def test_idle_and_streaming_connections_are_there_but_not_counted(self):
        with Echo() as echo:
            figures = bench(echo.url, "--connections", "1", "--idle", "20", "--streams", "1", "--count", "30",
                            "--seconds", "60")
        self.assertEqual((figures["count"], figures["idle"], figures["streams"]), (30, 20, 1))

    def test_idle_connections_alone_answer_pings(self):
        with Echo("--ping-interval", "50", "--ping-timeout", "10000") as echo:
            figures = bench(echo.url, "--connections", "0", "--idle", "3", "--seconds", "1")
        self.assertEqual(figures["count"], 0)

    def test_the_server_is_measured(self):
        with Echo() as echo:
            figures = bench(echo.url, "--pid", str(echo.process.pid), "--count", "2000", "--seconds", "60")["server"]
        self.assertGreater(figures["us_per_message"], 0)
        self.assertGreaterEqual(figures["memory_kib"][1], figures["memory_kib"][0])
        self.assertGreater(figures["memory_kib"][0], 0)

    def test_people_get_a_report(self):
        with Echo() as echo:
            status, out, err = weir("bench", echo.url, "--connections", "2", "--count", "20", "--pid", str(os.getpid()))
        self.assertEqual((status, err), (0, ""))
        for words in ("2 connections, 1 in flight each, text of 64 bytes", "messages   20 in ", "latency    median ",
                      "generator  ", "server     ", "memory     "):
            self.assertIn(words, out.decode())


class OverTcp(unittest.TestCase):
    def test_the_raw_echo_gets_frames(self):
        with RawEcho() as echo:
            figures = bench(echo.url, "--connections", "2", "--depth", "4", "--count", "100", "--seconds", "60")
            self.assertEqual(figures["count"], 100)
            for seen in echo.seen:
                self.assertEqual(seen[:2], bytes([0x81, 0x80 | 64]))
                self.assertEqual(len(seen) % 70, 0)

    def test_handshakes_exchange_as_many_bytes(self):
        with RawEcho() as echo:
            self.assertEqual(bench(echo.url, "--handshakes", "--connections", "1", "--count", "5")["count"], 5)
            for seen in echo.seen[:5]:
                self.assertTrue(seen.startswith(b"GET / HTTP/1.1\r\n"), seen)
                head, _, frames = bytes(seen).partition(b"\r\n\r\n")
                self.assertIn(b"Sec-WebSocket-Key: ", head)
                self.assertEqual((len(frames), frames[70]), (78, 0x80 | CLOSE))

    def test_a_handshake_counts_once_its_close_came_back(self):
        """This holds each time: bytes of the connection before do not count."""
        def serve(listener):
            for answers_close in (True, True, False):
                sock, _ = listener.accept()
                with sock:
                    seen = 0
                    while data := sock.recv(65536):
                        seen = 0 if data.endswith(b"\r\n\r\n") else seen + len(data)
                        if seen < 78 or answers_close:
                            sock.sendall(data)
                        else:
                            break

        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=serve, args=(listener,), daemon=True).start()
            status, _, err = weir("bench", f"tcp://127.0.0.1:{listener.getsockname()[1]}", "--handshakes",
                                  "--connections", "1", "--count", "5", "--json")
        self.assertEqual((status, err), (3, "weir bench: the server ended a connection\n"))


class Answers(unittest.TestCase):
    def fails(self, serve, *options, status, says):
        with server(serve) as url:
            found = weir("bench", url, "--connections", "1", "--seconds", "60", *options)
        self.assertEqual((found[0], found[1]), (status, b""), found)
        self.assertRegex(found[2], r"^weir bench: [^\n]+\n$")
        self.assertIn(says, found[2])

    def test_fragments_are_one_answer_and_pings_are_answered(self):
        def serve(sock):
            peer = accept(sock)
            for _ in range(3):
                fin, opcode, payload = peer.frame()
                assert (fin, opcode, len(payload)) == (True, BINARY, 64)
                peer.send(PING, b"?")
                peer.send(BINARY, payload[:10], fin=False)
                peer.send(0, payload[10:])
                assert peer.frame() == (True, PONG, b"?")

        with server(serve) as url:
            self.assertEqual(bench(url, "--connections", "1", "--binary", "--count", "2", "--seconds", "60")["count"], 2)

    def test_other_bytes_than_sent_are_no_echo(self):
        def serve(sock):
            peer = accept(sock)
            peer.send(TEXT, peer.frame()[2][::-1])

        self.fails(serve, status=1, says="not what was sent")

    def test_another_type_is_no_echo(self):
        def serve(sock):
            peer = accept(sock)
            peer.send(BINARY, peer.frame()[2])

        self.fails(serve, status=1, says="not what was sent")

    def test_a_later_answer_that_is_shorter_is_no_echo(self):
        def serve(sock):
            peer = accept(sock)
            peer.send(TEXT, peer.frame()[2])
            peer.send(TEXT, peer.frame()[2][:-1])

        self.fails(serve, status=1, says="not what was sent")

    def test_an_answer_to_nothing_is_no_echo(self):
        def serve(sock):
            peer = accept(sock)
            payload = peer.frame()[2]
            peer.send(TEXT, payload)
            peer.send(TEXT, payload)

        self.fails(serve, status=1, says="not what was sent")

    def test_a_broken_protocol_ends_with_5(self):
        def serve(sock):
            peer = accept(sock)
            peer.frame()
            sock.sendall(b"\x83\x00")

        self.fails(serve, status=5, says="broke the protocol")

    def test_a_close_ends_with_6(self):
        def serve(sock):
            peer = accept(sock)
            peer.frame()
            peer.close(1001)

        self.fails(serve, status=6, says="closes")

    def test_an_end_ends_with_3(self):
        def serve(sock):
            accept(sock).frame()

        self.fails(serve, status=3, says="ended")

    def test_a_refusal_ends_with_4(self):
        def serve(sock):
            read_head(sock)
            sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

        self.fails(serve, status=4, says="HTTP 403 Forbidden")

    def test_an_answer_in_pieces_is_understood(self):
        def serve(sock):
            class Slowly:
                def __getattr__(self, name):
                    return getattr(sock, name)

                @staticmethod
                def sendall(data):
                    for at in range(0, len(data), 40):
                        sock.sendall(data[at:at + 40])
                        time.sleep(0.01)

            peer = accept(Slowly())
            for _ in range(2):
                peer.send(TEXT, peer.frame()[2])

        with server(serve) as url:
            self.assertEqual(bench(url, "--connections", "1", "--count", "1")["count"], 1)

    @unittest.skipIf(has_deflate(), "built with zlib")
    def test_compression_that_is_not_built_in_is_reported(self):
        with Echo() as echo:
            status, _, err = weir("bench", echo.url, "--deflate")
        self.assertEqual((status, err), (1, "weir bench: not supported here\n"))

    @unittest.skipUnless(has_deflate(), "built without zlib")
    def test_a_server_that_does_not_compress_is_not_measured(self):
        with Echo() as echo:
            status, _, err = weir("bench", echo.url, "--deflate", "--connections", "1")
        self.assertEqual((status, err), (1, "weir bench: the server does not compress\n"))

    def test_nobody_there_ends_with_1(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        status, _, err = weir("bench", f"ws://127.0.0.1:{port}/")
        self.assertEqual(status, 1)
        self.assertIn("no connection", err)

    def test_a_process_that_is_not_there_ends_with_1(self):
        with subprocess.Popen(["true"]) as gone:
            gone.wait()
        status, _, err = weir("bench", "tcp://127.0.0.1:1", "--pid", str(gone.pid))
        self.assertEqual(status, 1)
        self.assertIn(f"no process {gone.pid}", err)


class Saturation(unittest.TestCase):
    def test_it_says_whether_it_was_the_bottleneck(self):
        with Echo() as echo:
            figures = bench(echo.url, "--connections", "1", "--rate", "5", "--seconds", "1")["generator"]
            self.assertFalse(figures["saturated"])
            self.assertLess(figures["cpu"], 0.95)


if __name__ == "__main__":
    unittest.main()
