#!/usr/bin/python3 -B
# ctest: loops
"""weir connect: lines in, messages out, and an exit status that says how it ended."""

import contextlib
import os
import queue
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from peer import BINARY, CLOSE, TIMEOUT, PING, PONG, TEXT, Echo, Process, accept, answer_of, read_head, server, weir


def finish(peer, code=1000):
    """The server's part of an orderly end: answers the client's Close."""
    seen = peer.close_code()
    peer.close(code)
    return seen


class Talking(unittest.TestCase):
    def sent(self, lines, *options):
        """What comes back from an echo, given these bytes as standard input."""
        with Echo("--max-message", "none") as echo:
            status, out, err = weir("connect", echo.url, "--exit-on-eof", *options, stdin=lines)
        self.assertEqual(status, 0, err)
        self.assertEqual(err, "weir connect: closed by client: NORMAL (1000)\n")
        return out

    def test_each_line_comes_back_as_it_is(self):
        lines = "one\n\n  two words\t\ngrün\n\n".encode()
        self.assertEqual(self.sent(lines), lines)

    def test_a_last_line_needs_no_newline(self):
        self.assertEqual(self.sent(b"one\ntwo"), b"one\ntwo\n")

    def test_no_input_sends_nothing(self):
        self.assertEqual(self.sent(b""), b"")

    def test_a_carriage_return_belongs_to_the_line(self):
        self.assertEqual(self.sent(b"one\r\n"), b"one\r\n")

    def test_a_line_may_have_any_length(self):
        for size in (65535, 65536, 65537, 3000000):
            self.assertEqual(self.sent(b"x" * size + b"\nnext\n"), b"x" * size + b"\nnext\n")

    def test_a_long_line_may_be_cut_inside_a_character(self):
        line = ("x" + "ü" * 100000).encode() + b"\n"
        self.assertEqual(self.sent(line), line)

    def test_many_lines_come_back_in_order(self):
        lines = b"".join(b"line %d\n" % i for i in range(20000))
        self.assertEqual(self.sent(lines), lines)

    def test_binary_sends_any_bytes(self):
        line = bytes(byte for byte in range(256) if byte != 10) + b"\n"
        self.assertEqual(self.sent(line, "--binary"), line)

    def test_the_type_of_messages_is_as_asked_for(self):
        for options, opcode in (([], TEXT), (["--binary"], BINARY)):
            def serve(sock, opcode=opcode):
                peer = accept(sock)
                assert peer.frame() == (True, opcode, b"line")
                assert peer.frame() == (True, opcode, b"")
                assert finish(peer) == 1000

            with server(serve) as url:
                self.assertEqual(weir("connect", url, "--exit-on-eof", *options, stdin=b"line\n\n")[0], 0)

    def test_a_fragmented_message_is_one_line(self):
        def serve(sock):
            peer = accept(sock)
            peer.send(TEXT, b"in ", fin=False)
            peer.send(PING, b"?")
            peer.send(0, b"pieces")
            assert peer.frame() == (True, PONG, b"?")
            peer.close(1000)
            assert peer.close_code() == 1000

        with server(serve) as url:
            self.assertEqual(weir("connect", url)[:2], (0, b"in pieces\n"))

    def test_without_exit_on_eof_the_server_ends_it(self):
        def serve(sock):
            peer = accept(sock)
            assert peer.message() == (TEXT, b"last line")
            sock.settimeout(0.5)  # input has ended, and still no Close comes
            with self.assertRaises(TimeoutError):
                peer.frame()
            sock.settimeout(TIMEOUT)
            peer.send(TEXT, b"enough")
            peer.close(1000, b"bye")
            assert peer.close_code() == 1000

        with server(serve) as url:
            status, out, err = weir("connect", url, stdin=b"last line\n")
        self.assertEqual((status, out, err), (0, b"enough\n", "weir connect: closed by server: NORMAL (1000) bye\n"))

    def test_an_input_that_says_nothing_leaves_pings_answered(self):
        def serve(sock):
            peer = accept(sock)
            peer.send(PING, b"there?")
            assert peer.frame() == (True, PONG, b"there?")
            peer.close(1001)
            assert peer.close_code() == 1001

        with server(serve) as url, Process("connect", url, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            self.assertEqual(process.end(), 0)

    def test_an_output_that_is_not_read_leaves_pings_answered(self):
        def serve(sock):
            peer = accept(sock)
            peer.send(BINARY, bytes(200000))  # more than a pipe takes
            peer.send(PING, b"there?")
            assert peer.frame() == (True, PONG, b"there?")
            answered.set()
            peer.close(1000)
            assert peer.close_code() == 1000

        answered = threading.Event()
        with server(serve) as url, Process("connect", url, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            self.assertTrue(answered.wait(TIMEOUT))
            self.assertEqual(process.process.stdout.read(), bytes(200000) + b"\n")
            self.assertEqual(process.end(), 0)

    def test_an_output_that_is_not_read_makes_the_server_wait_and_then_comes_whole(self):
        piece = bytes(range(256)) * 256
        pieces = 1000  # 64 MiB: more than all buffers of the kernel
        sent = 0

        def serve(sock):
            nonlocal sent
            peer = accept(sock)
            while sent < pieces:
                peer.send(BINARY, piece)
                sent += 1
            peer.close(1000)
            assert peer.close_code() == 1000

        with server(serve) as url, Process("connect", url, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            before = -1
            while sent == 0 or sent != before:
                before = sent
                time.sleep(0.3)
            self.assertLess(sent, pieces)
            self.assertTrue(process.process.stdout.read() == (piece + b"\n") * pieces)
            self.assertEqual(process.end(), 0)

    def test_a_unix_socket_is_spoken_to(self):
        with tempfile.TemporaryDirectory() as folder, Echo(url=f"ws+unix:{folder}/socket:/path") as echo:
            self.assertEqual(weir("connect", echo.url, "--exit-on-eof", stdin=b"hello\n")[:2], (0, b"hello\n"))
            self.assertEqual(weir("connect", f"ws+unix:{folder}/socket:/other")[0], 4)


class Request(unittest.TestCase):
    def test_headers_subprotocols_and_origin_reach_the_server(self):
        def serve(sock):
            peer = accept(sock, "Sec-WebSocket-Protocol: second")
            assert peer.head.startswith("GET /path?query HTTP/1.1\r\n"), peer.head
            assert peer.field("X-One") == ["1", "again"], peer.head
            assert peer.field("X-Two") == ["with: colon"], peer.head
            assert peer.field("Origin") == ["http://example.org"], peer.head
            assert ", ".join(peer.field("Sec-WebSocket-Protocol")) == "first, second", peer.head
            assert peer.field("Host") == ["127.0.0.1:%d" % sock.getsockname()[1]], peer.head
            assert finish(peer) == 1000

        with server(serve) as url:
            status, _, err = weir("connect", url + "path?query", "--header", "X-One: 1", "--header=X-One:again",
                                  "--header", "X-Two: with: colon", "--subprotocol", "first", "--subprotocol", "second",
                                  "--origin", "http://example.org", "--exit-on-eof")
        self.assertEqual(status, 0, err)


class Ends(unittest.TestCase):
    """The exit status, and the one line on standard error."""

    def end(self, serve, *options, stdin=b""):
        with server(serve) as url:
            status, _, err = weir("connect", url, *options, stdin=stdin)
        self.assertRegex(err, r"^weir connect: [^\n]+\n$")
        return status, err.replace(url, "URL")[len("weir connect: "):-1]

    def closing(self, code, reason=b""):
        def serve(sock):
            peer = accept(sock)
            peer.close(code, reason)
            assert peer.close_code() == code

        return self.end(serve)

    def sending(self, *sent):
        """A server that sends these bytes, and awaits what the client closes with; returns that too."""
        codes = []

        def serve(sock):
            peer = accept(sock)
            sock.sendall(b"".join(sent))
            codes.append(peer.close_code())

        return (*self.end(serve), codes[0])

    def test_a_clean_close_is_0(self):
        self.assertEqual(self.closing(1000, b"done"), (0, "closed by server: NORMAL (1000) done"))
        self.assertEqual(self.closing(1001), (0, "closed by server: GOING_AWAY (1001)"))

    def test_a_close_without_a_code_is_0(self):
        def serve(sock):
            peer = accept(sock)
            peer.send(CLOSE)
            assert peer.close_code() == 1005

        self.assertEqual(self.end(serve), (0, "closed by server: NO_STATUS (1005)"))

    def test_a_close_that_means_trouble_is_6(self):
        self.assertEqual(self.closing(4000, b"go away"), (6, "closed by server: 4000 go away"))
        self.assertEqual(self.closing(1011), (6, "closed by server: INTERNAL_ERROR (1011)"))

    def test_a_refusal_is_4_and_says_why(self):
        def serve(sock):
            read_head(sock)
            sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\n\r\nmembers only")

        self.assertEqual(self.end(serve), (4, "URL refused: HTTP 403 Forbidden: members only"))

    def test_a_refusal_without_a_body_is_4(self):
        def serve(sock):
            read_head(sock)
            sock.sendall(b"HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n")

        self.assertEqual(self.end(serve), (4, "URL refused: HTTP 503 Service Unavailable"))

    def test_what_a_server_says_of_itself_cannot_command_a_terminal(self):
        def serve(sock):
            read_head(sock)
            sock.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n" + "gr\u00fcn\x1b[2J\x07\u009b1m\x7f!".encode() + b"\r\nmore")

        self.assertEqual(self.end(serve), (4, "URL refused: HTTP 403 Forbidden: gr\u00fcn?[2J???1m?!"))
        self.assertEqual(self.closing(4000, "\x1b]0;a title\x07\u009d0;\n".encode()), (6, "closed by server: 4000 ?]0;a title???0;?"))

    def test_no_server_is_1(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            url = f"ws://127.0.0.1:{free.getsockname()[1]}/"
        self.assertEqual(weir("connect", url), (1, b"", f"weir connect: no connection to {url}: Connection refused\n"))
        status, _, err = weir("connect", "ws+unix:/nowhere/at/all")
        self.assertEqual(status, 1)
        self.assertIn("No such file or directory", err)

    def test_a_connection_that_is_lost_in_the_handshake_is_1(self):
        self.assertEqual(self.end(read_head)[0], 1)

    def test_an_answer_that_is_no_handshake_is_5(self):
        def serve(sock):
            head, _ = read_head(sock)
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Accept: " + answer_of("another key").encode() + b"\r\n\r\n")
            assert head

        status, said = self.end(serve)
        self.assertEqual(status, 5)
        self.assertIn("is no WebSocket server: ", said)
        self.assertEqual(self.end(lambda sock: sock.sendall(b"SSH-2.0-hello\r\n\r\n"))[0], 5)

    def test_a_server_that_breaks_the_protocol_is_5(self):
        status, said, code = self.sending(b"\x81\x80\0\0\0\0")  # masked
        self.assertEqual((status, code), (5, 1002))
        self.assertTrue(said.startswith("the server broke the protocol: 5.1"), said)
        self.assertEqual(self.sending(b"\xc1\x00")[0::2], (5, 1002))  # a reserved bit
        self.assertEqual(self.sending(b"\x81\x01\xff")[0::2], (5, 1007))  # no UTF-8

    def test_a_connection_that_is_lost_is_3(self):
        self.assertEqual(self.end(accept)[0], 3)

        def reset(sock):
            accept(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        self.assertEqual(self.end(reset)[0], 3)

    def test_a_line_that_is_no_utf8_is_refused_by_the_server_which_is_6(self):
        with Echo() as echo:
            status, out, err = weir("connect", echo.url, stdin=b"good\nbad \xff\n")
        self.assertEqual((status, out), (6, b"good\n"))
        self.assertIn("NOT_CONSISTENT (1007)", err)

    def test_an_output_that_cannot_be_written_is_7(self):
        with Echo() as echo, open("/dev/full", "wb") as full:
            process = Process("connect", echo.url, stdin=subprocess.PIPE, stdout=full)
            with process:
                process.process.stdin.write(b"hello\n")
                process.process.stdin.flush()
                self.assertEqual(process.end(), 7)
                self.assertIn("standard output: No space left on device", process.said)

    def test_an_output_that_nobody_reads_any_more_is_7(self):
        with Echo() as echo:
            reader, writer = os.pipe()
            os.close(reader)
            process = Process("connect", echo.url, stdin=subprocess.PIPE, stdout=writer)
            os.close(writer)
            with process:
                with contextlib.suppress(BrokenPipeError):  # it may have seen it before
                    process.process.stdin.write(b"hello\n")
                    process.process.stdin.flush()
                self.assertEqual(process.end(), 7)
                self.assertIn("standard output: Broken pipe", process.said)

    def test_an_input_that_cannot_be_read_is_7(self):
        with Echo() as echo:
            folder = os.open("/", os.O_RDONLY)
            with Process("connect", echo.url, stdin=folder, stdout=subprocess.DEVNULL) as process:
                os.close(folder)
                self.assertEqual(process.end(), 7)
                self.assertIn("standard input: Is a directory", process.said)

    def test_a_signal_closes_with_1000_and_a_second_one_ends_it(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            for ends_by_close in (True, False):
                with self.subTest(number=number, ends_by_close=ends_by_close):
                    self.signal_ends(number, ends_by_close)

    def signal_ends(self, number, ends_by_close):
        def serve(sock):
            peer = accept(sock)
            peer.send(TEXT, b"connected")
            assert peer.close_code() == 1000
            if ends_by_close:
                peer.close(1000)
            else:
                process.signal(number)
                process.process.wait(TIMEOUT)

        with server(serve) as url:
            with Process("connect", url, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                self.assertEqual(process.process.stdout.readline(), b"connected\n")
                process.signal(number)
                self.assertEqual(process.end(), 0 if ends_by_close else 128 + number)

    def test_a_signal_before_there_is_a_session_ends_it(self):
        started = queue.SimpleQueue()

        def serve(sock):
            read_head(sock)
            started.get(timeout=TIMEOUT).signal(signal.SIGINT)
            assert sock.recv(1) == b""

        with server(serve) as url:
            process = Process("connect", url, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            started.put(process)
            with process:
                self.assertEqual(process.end(), 128 + signal.SIGINT)


if __name__ == "__main__":
    unittest.main()
