#!/usr/bin/python3 -B
# ctest: loops
"""Invalid opening handshakes, against a `weir echo`: each gets its exact status, `Connection: close` and a short text, however its bytes are cut, and the server goes on."""

import os
import socket
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.environ["WEIR_SOURCE_DIR"], "tests", "cli"))
from peer import CLOSE, TIMEOUT, TEXT, Echo, Peer, client, read_head  # noqa: E402 pylint: disable=wrong-import-position

START = b"GET / HTTP/1.1\r\n"
HOST = b"Host: example.com\r\n"
UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
VERSION = b"Sec-WebSocket-Version: 13\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def request(extra=b"", start=START, host=HOST, upgrade=UPGRADE, version=VERSION, key=KEY):
    return start + host + upgrade + version + key + extra + b"\r\n"


def target(text):
    return request(start=b"GET " + text + b" HTTP/1.1\r\n")


def filled(size):
    """A good request of so many bytes."""
    base = len(request(b"Filler: \r\n"))
    return request(b"Filler: " + b"x" * (size - base) + b"\r\n")


def fields(count):
    """A good request of so many fields: five are those of the handshake."""
    return request(b"a: b\r\n" * (count - 6) + b"c: d\r\n")


# what it is, the bytes, the status
HOSTILE = (
    # the request line
    ("POST", request(start=b"POST / HTTP/1.1\r\n"), 405),
    ("HEAD", request(start=b"HEAD / HTTP/1.1\r\n"), 405),
    ("CONNECT", b"CONNECT example.com:443 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    ("a method in small letters", request(start=b"get / HTTP/1.1\r\n"), 405),
    ("a method without end", b"A" * 40, 501),
    ("HTTP/0.9", b"GET /\r\n", 400),
    ("HTTP/1.0", request(start=b"GET / HTTP/1.0\r\n"), 426),
    ("HTTP/1.2", request(start=b"GET / HTTP/1.2\r\n"), 505),
    ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 405),
    ("HTTP/3", request(start=b"GET / HTTP/3.0\r\n"), 505),
    ("two blanks", request(start=b"GET  / HTTP/1.1\r\n"), 400),
    ("a tab", request(start=b"GET\t/ HTTP/1.1\r\n"), 400),
    ("a blank at the end", request(start=b"GET / HTTP/1.1 \r\n"), 400),
    ("TLS", bytes.fromhex("16030102000100"), 400),
    ("a frame", bytes.fromhex("818537fa213d7f9f4d5158"), 400),
    ("a target of 9,000 bytes", target(b"/" + b"x" * 9000), 414),
    ("a target that is no path", target(b"*"), 400),
    ("a target that is an authority", target(b"example.com:80"), 400),
    ("a target of another scheme", target(b"ftp://example.com/"), 400),
    ("an absolute target with a user", target(b"http://user@example.com/"), 400),
    ("an absolute target without a host", target(b"http:///path"), 400),
    ("a fragment in the target", target(b"/a#b"), 400),
    ("a target that is not ASCII", target("/grün".encode()), 400),
    ("a target with a NUL", target(b"/a\0b"), 400),
    # lines
    ("bare LF", request().replace(b"\r\n", b"\n"), 400),
    ("one bare LF", request(b"Name: value\n"), 400),
    ("bare CR", request(b"Name: va\rlue\r\n"), 400),
    ("CR CR LF", request(b"Name: value\r\r\n"), 400),
    ("a folded line", request(b"Name: value\r\n more\r\n"), 400),
    ("a folded line by a tab", request(b"Name: value\r\n\tmore\r\n"), 400),
    ("a NUL in a value", request(b"Name: va\0lue\r\n"), 400),
    ("a NUL in a name", request(b"Na\0me: value\r\n"), 400),
    ("another control character", request(b"Name: \x1b[2J\r\n"), 400),
    ("a blank before the colon", request(b"Name : value\r\n"), 400),
    ("a tab before the colon", request(b"Name\t: value\r\n"), 400),
    ("no colon", request(b"Name\r\n"), 400),
    ("no name", request(b": value\r\n"), 400),
    ("a name that is not ASCII", request("Nüme: value\r\n".encode()), 400),
    # fields, missing, several, malformed
    ("no Host", request(host=b""), 400),
    ("two Hosts", request(host=HOST + HOST), 400),
    ("a Host that is a URL", request(host=b"Host: http://example.com\r\n"), 400),
    ("a Host with another port", request(host=b"Host: example.com:port\r\n"), 400),
    ("an empty Host", request(host=b"Host:\r\n"), 400),
    ("a Host beside an absolute target, malformed", request(start=b"GET http://a/ HTTP/1.1\r\n", host=b"Host: a b\r\n"), 400),
    ("no Upgrade", request(upgrade=b"Connection: Upgrade\r\n"), 426),
    ("no Connection", request(upgrade=b"Upgrade: websocket\r\n"), 426),
    ("Connection: close", request(upgrade=b"Upgrade: websocket\r\nConnection: close\r\n"), 426),
    ("an upgrade to something else", request(upgrade=b"Upgrade: h2c\r\nConnection: Upgrade\r\n"), 426),
    ("a page", START + HOST + b"\r\n", 426),
    ("no version", request(version=b""), 400),
    ("two versions", request(version=VERSION + VERSION), 400),
    ("version 8", request(version=b"Sec-WebSocket-Version: 8\r\n"), 426),
    ("version 0", request(version=b"Sec-WebSocket-Version: 0\r\n"), 426),
    ("version 14", request(version=b"Sec-WebSocket-Version: 14\r\n"), 426),
    ("version 013", request(version=b"Sec-WebSocket-Version: 013\r\n"), 426),
    ("versions in a list", request(version=b"Sec-WebSocket-Version: 13, 8\r\n"), 426),
    ("an empty version", request(version=b"Sec-WebSocket-Version:\r\n"), 426),
    ("no key", request(key=b""), 400),
    ("two keys", request(key=KEY + KEY), 400),
    ("a key of 15 bytes", request(key=b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n"), 400),
    ("a key of 17 bytes", request(key=b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWU=\r\n"), 400),
    ("a key without padding", request(key=b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n"), 400),
    ("a key that is not base64", request(key=b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n"), 400),
    ("a key of 4,000 bytes", request(key=b"Sec-WebSocket-Key: " + b"A" * 4000 + b"\r\n"), 400),
    ("two Origins", request(b"Origin: http://a\r\nOrigin: http://b\r\n"), 400),
    ("a subprotocol that is no token", request(b"Sec-WebSocket-Protocol: a b\r\n"), 400),
    ("an extension against the grammar", request(b"Sec-WebSocket-Extensions: a; =\r\n"), 400),
    ("a quoted string without end", request(b'Sec-WebSocket-Extensions: a; b="' + b"\\" * 999 + b"\r\n"), 400),
    # bodies
    ("Content-Length", request(b"Content-Length: 5\r\n") + b"hello", 400),
    ("Content-Length twice", request(b"Content-Length: 0\r\nContent-Length: 5\r\n") + b"hello", 400),
    ("Transfer-Encoding", request(b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n", 400),
    ("both", request(b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), 400),
    # sizes
    ("a head of 8,193 bytes", filled(8193), 431),
    ("a name without end", START + b"x" * 9000, 431),
    ("101 fields", fields(101), 431),
)

GOOD = (
    ("as it should be", request()),
    ("a head of 8,192 bytes", filled(8192)),
    ("100 fields", fields(100)),
    ("an absolute target", request(start=b"GET http://example.com/chat?a=b HTTP/1.1\r\n")),
    ("an absolute target of another host than Host", request(start=b"GET ws://other.example HTTP/1.1\r\n")),
    ("an empty line before it", b"\r\n" + request()),
    ("Content-Length: 0", request(b"Content-Length: 0\r\n")),
    ("names in any letters", request().replace(b"Sec-WebSocket", b"SEC-wEBsOCKET").replace(b"Upgrade: websocket", b"uPGRADE: WebSocket")),
    ("lists over several lines", request(upgrade=b"Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: keep-alive\r\nConnection: , upgrade\r\n")),
    ("bytes over 127 in a value", request(b"Name: \xff\xfe\r\n")),
)


def dial(echo):
    host, _, port = echo.url[len("ws://"):].strip("/").rpartition(":")
    sock = socket.create_connection((host, int(port)), TIMEOUT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def push(sock, data, cut):
    """In pieces of cut bytes, each a packet of its own; the server may close before the last one."""
    try:
        for at in range(0, len(data), cut):
            sock.sendall(data[at:at + cut])
    except (BrokenPipeError, ConnectionResetError):
        pass


def read_to_end(sock):
    data = b""
    while more := sock.recv(65536):
        data += more
    return data


def split(answer):
    head, found, body = answer.partition(b"\r\n\r\n")
    assert found, f"no answer, only {answer!r}"
    lines = head.decode("ascii").split("\r\n")
    return lines[0], [line.partition(": ")[::2] for line in lines[1:]], body


class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.echo = Echo()

    @classmethod
    def tearDownClass(cls):
        with cls.echo:  # ends it, and it has to end well
            pass

    def check_refusal(self, data, status, cut):
        with dial(self.echo) as sock:
            push(sock, data, cut)
            start, answer, body = split(read_to_end(sock))
        self.assertRegex(start, rf"^HTTP/1\.1 {status} [A-Z][A-Za-z -]+$")
        values = dict(answer)
        self.assertEqual(len(values), len(answer), "a field stands twice")
        self.assertEqual(values["Connection"], "close, Upgrade" if status == 426 else "close")
        self.assertEqual(values["Content-Type"], "text/plain; charset=utf-8")
        self.assertLess(int(values["Content-Length"]), 200)
        if data.startswith(b"HEAD "):
            self.assertEqual(body, b"")
        else:
            self.assertEqual(len(body), int(values["Content-Length"]))
            self.assertTrue(body.decode("ascii").startswith(start.split(" ", 2)[2]), body)
            self.assertTrue(body.endswith(b")\n"), body)
        wanted = {405: {"Allow": "GET"}, 426: {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}}.get(status, {})
        self.assertEqual({name: values.get(name) for name in wanted}, wanted)
        self.assertLessEqual(set(values), {"Connection", "Content-Type", "Content-Length", *wanted}, "nothing of the request is reflected")

    def test_each_hostile_request_gets_its_status(self):
        for what, data, status in HOSTILE:
            with self.subTest(what=what):
                self.check_refusal(data, status, len(data))

    def test_it_gets_the_same_byte_by_byte(self):
        for what, data, status in HOSTILE:
            if len(data) < 1000:
                with self.subTest(what=what):
                    self.check_refusal(data, status, 1)

    def test_what_is_unusual_but_right_is_served(self):
        for what, data in GOOD:
            for cut in (len(data), 1 if len(data) < 1000 else 77):
                with self.subTest(what=what, cut=cut), dial(self.echo) as sock:
                    push(sock, data, cut)
                    peer = Peer(sock, *read_head(sock), masks=True)
                    self.assertTrue(peer.head.startswith("HTTP/1.1 101 "), peer.head)
                    self.assertEqual(peer.field("Sec-WebSocket-Accept"), [ACCEPT])
                    peer.send(TEXT, b"served")
                    self.assertEqual(peer.message(), (TEXT, b"served"))

    def test_frames_right_behind_the_head_are_served(self):
        hello, close = bytes.fromhex("818500000000") + b"hello", bytes.fromhex("88820000000003e8")
        data = request() + hello * 3 + close
        for cut in (len(data), len(request()) + 1, len(request()) + 8, 1):
            with self.subTest(cut=cut), dial(self.echo) as sock:
                push(sock, data, cut)
                peer = Peer(sock, *read_head(sock), masks=True)
                for _ in range(3):
                    self.assertEqual(peer.message(), (TEXT, b"hello"))
                self.assertEqual(peer.close_code(), 1000)
                self.assertTrue(peer.ended())

    def test_a_second_request_behind_the_first_is_no_request(self):
        """Bytes that a proxy might take for a second request are a broken frame here (RFC 6455 5.1): none is answered as HTTP."""
        with dial(self.echo) as sock:
            sock.sendall(request() + request())
            peer = Peer(sock, *read_head(sock), masks=True)
            _, opcode, payload = peer.frame()
            self.assertEqual((opcode, struct.unpack(">H", payload[:2])), (CLOSE, (1002,)))
            self.assertTrue(peer.ended())

    def test_a_second_request_behind_a_refusal_is_not_answered(self):
        with dial(self.echo) as sock:
            push(sock, request(version=b"Sec-WebSocket-Version: 8\r\n") + request(), 100000)
            answer = read_to_end(sock)
        self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)

    def test_the_server_is_as_before(self):
        with client(self.echo.url) as peer:
            peer.send(TEXT, b"still here")
            self.assertEqual(peer.message(), (TEXT, b"still here"))


if __name__ == "__main__":
    unittest.main()
