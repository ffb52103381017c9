#!/usr/bin/python3
# ctest: timeout=120
"""`weir echo --deflate` and the clients of python3-websockets: with all settings of both ends, all comes back."""

import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
from weir_echo import SIZES, TEXT, Echo, run

try:
    from websockets.exceptions import ConnectionClosed
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Deflate
    from websockets.frames import OP_BINARY, OP_CONT, OP_TEXT
    from websockets.legacy.client import connect
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
if " deflate" not in subprocess.check_output([os.environ["WEIR_BIN"], "--version"], text=True):
    print("skipped: built without zlib")
    sys.exit(77)

RECORDS = [json.dumps({"id": i, "name": f"river {i % 7}", "flow": [i / 3] * 20}) for i in range(50)]
SERVERS = ("", "=min=1", "=takeover", "=takeover,min=1,level=1,memory=1", "=server-takeover,server-window=9",
           "=client-takeover,server-window=8,client-window=10,level=9")
CLIENTS = (
    {},
    {"server_no_context_takeover": True},
    {"client_no_context_takeover": True},
    {"server_max_window_bits": 9, "client_max_window_bits": 9},
    {"server_max_window_bits": 8},
    {"server_no_context_takeover": True, "client_no_context_takeover": True,
     "server_max_window_bits": 10, "client_max_window_bits": 12},
)


def open_client(echo, **offer):
    # A server that bounds the client's window takes no offer without this.
    offer = {"client_max_window_bits": True, **offer}
    return connect(echo.url, max_size=None, ping_interval=None, compression=None,
                   extensions=[Deflate(**offer)])


async def expect_echo(client, message):
    await client.send(message)
    assert await client.recv() == message


async def converse(client, sizes=(0, 1, 126, 70000)):
    assert [extension.name for extension in client.extensions] == ["permessage-deflate"]
    for size in sizes:
        await expect_echo(client, os.urandom(size))
        await expect_echo(client, "x" * size)
    await expect_echo(client, TEXT * 100)
    for record in RECORDS:
        await expect_echo(client, record)
    for parts in (["a", "", "bc"], [b"", b"\x00" * 70000, b"end"], ["é"] * 30):
        await client.send(parts)
        assert await client.recv() == type(parts[0])().join(parts)
    await client.write_frame(False, OP_TEXT, b"begun")
    await (await client.ping(b"amid"))
    await client.write_frame(True, OP_CONT, b", ended")
    assert await client.recv() == "begun, ended"


async def whatever_either_side_wants_all_comes_back():
    for settings in SERVERS:
        with Echo(f"--deflate{settings}") as echo:
            for offer in CLIENTS:
                async with open_client(echo, **offer) as client:
                    await converse(client)
                    await client.close()
                    assert client.close_code == 1000


async def pieces_are_compressed_as_they_come():
    with Echo("--deflate=takeover", "--stream", "--max-message", "none") as echo:
        async with open_client(echo) as client:
            await converse(client, SIZES)
            await expect_echo(client, RECORDS[0] * 20000)


async def a_function_a_message_does_too():
    with Echo("--deflate", "--on-message") as echo:
        async with open_client(echo) as client:
            await converse(client, SIZES)


async def a_bomb_is_refused_with_1009():
    with Echo("--deflate", "--max-message", "1000000") as echo:
        async with open_client(echo) as client:
            await client.send(bytes(50000000))
            try:
                await client.recv()
                assert False, "a message instead of the end"
            except ConnectionClosed as end:
                assert end.rcvd is not None and end.rcvd.code == 1009, end


async def what_is_no_deflate_is_refused_with_1007():
    with Echo("--deflate") as echo:
        async with open_client(echo) as client:
            client.extensions.clear()
            client.transport.write(bytes([0xC0 | OP_BINARY, 0x82, 0, 0, 0, 0, 0xFF, 0xFF]))
            try:
                await client.recv()
                assert False, "a message instead of the end"
            except ConnectionClosed as end:
                assert end.rcvd is not None and end.rcvd.code == 1007, end


async def a_server_without_it_takes_no_offer():
    with Echo() as echo:
        async with open_client(echo) as client:
            assert client.extensions == []
            await expect_echo(client, RECORDS[0])


if __name__ == "__main__":
    sys.exit(run([], [
        whatever_either_side_wants_all_comes_back,
        pieces_are_compressed_as_they_come,
        a_function_a_message_does_too,
        a_bomb_is_refused_with_1009,
        what_is_no_deflate_is_refused_with_1007,
        a_server_without_it_takes_no_offer,
    ]))
