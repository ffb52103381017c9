#!/usr/bin/python3 -B
# ctest: loops once
"""A message of 1 GiB that is about 1 MiB on the wire (RFC 7692), against a `weir echo` with its default limits: it gets 1009, and costs the server at most 8 MiB."""

import contextlib
import os
import sys
import unittest
import zlib

sys.path.insert(0, os.path.join(os.environ["WEIR_SOURCE_DIR"], "tests", "cli"))
from peer import BINARY, TEXT, Echo, client, has_deflate  # noqa: E402 pylint: disable=wrong-import-position

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
MOST_KIB = 8 * KIB
COMPRESSED = 0x40  # RSV1, beside the opcode
EMPTY_BLOCK = b"\x00"  # what is left of one when its last four bytes are not sent


def memory_kib(echo, name):
    with open(f"/proc/{echo.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name + ":"))


def forget_peak(echo):
    """VmHWM counts anew (proc(5): clear_refs)."""
    with open(f"/proc/{echo.process.pid}/clear_refs", "w", encoding="ascii") as refs:
        refs.write("5")


def deflated_zeros(size):
    """MiB by MiB: after a full flush each is the same as the one before."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    yield deflater.compress(bytes(MIB)) + deflater.flush(zlib.Z_FULL_FLUSH)
    again = deflater.compress(bytes(MIB)) + deflater.flush(zlib.Z_FULL_FLUSH)
    for _ in range(size // MIB - 1):
        yield again


def in_fragments(size):
    """Frames of a message: (first byte without FIN, payload, FIN)."""
    for n, block in enumerate(deflated_zeros(size)):
        yield COMPRESSED | BINARY if n == 0 else 0, block, False
    yield 0, EMPTY_BLOCK, True


def in_one_frame(size):
    yield COMPRESSED | BINARY, b"".join(deflated_zeros(size)) + EMPTY_BLOCK, True


def throw(peer, frames):
    """Sends as many as the peer takes; returns the bytes of their payloads."""
    sent = 0
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for first, payload, fin in frames:
            peer.send(first, payload, fin)
            sent += len(payload)
    return sent


def deflating(echo):
    return client(echo.url, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")


class Bombs(unittest.TestCase):
    def check_small_message(self, echo):
        with deflating(echo) as peer:
            self.assertTrue(peer.field("Sec-WebSocket-Extensions"), peer.head)
            peer.send(TEXT, b"small")
            self.assertEqual(peer.message(), (TEXT, b"small"))

    def check_bombs(self, *options):
        with Echo(*options) as echo:
            forget_peak(echo)
            idle = memory_kib(echo, "VmRSS")
            for frames in [in_fragments(GIB), in_one_frame(800 * MIB), *(in_fragments(GIB) for _ in range(8))]:
                with deflating(echo) as peer:
                    throw(peer, frames)
                    self.assertEqual(peer.close_code(), 1009)
            peak = memory_kib(echo, "VmHWM")
            print(f"{options}: {idle} KiB idle, {peak - idle} KiB more at most", file=sys.stderr)
            self.assertLess(peak - idle, MOST_KIB)
            self.check_small_message(echo)

    def test_the_bomb_is_what_it_claims(self):
        inflater, size, wire = zlib.decompressobj(-15), 0, 0
        for _, payload, _ in in_fragments(64 * MIB):
            size += len(inflater.decompress(payload))
            wire += len(payload)
        self.assertEqual(size, 64 * MIB)
        self.assertLess(wire, 66 * KIB)  # 1 GiB: 16 times that

    def test_a_gibibyte_costs_at_most_8_mebibytes(self):
        self.check_bombs("--deflate")

    def test_it_costs_no_more_with_context_takeover(self):
        self.check_bombs("--deflate=takeover")

    def test_it_costs_no_more_in_pieces(self):
        self.check_bombs("--deflate", "--stream")


if __name__ == "__main__":
    if not has_deflate():
        print("skipped: built without zlib")
        sys.exit(77)
    unittest.main()
