#!/usr/bin/python3
# ctest: timeout=120 loops
"""`weir echo` serves the clients of python3-websockets, in each of its shapes."""

import asyncio
import os
import sys

sys.dont_write_bytecode = True
from weir_echo import SIZES, TEXT, Echo, run, until

try:
    from websockets.exceptions import ConnectionClosed
    from websockets.frames import OP_CLOSE, OP_CONT, OP_TEXT
    from websockets.legacy.client import connect, unix_connect
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


def open_client(echo, **options):
    options = {"max_size": None, "ping_interval": None, **options}
    if not echo.url.startswith("ws+unix:"):
        return connect(echo.url, **options)
    _, socket, path = echo.url.split(":")
    return unix_connect(socket, f"ws://localhost{path}", **options)


async def expect_echo(client, message):
    await client.send(message)
    assert await client.recv() == message


async def expect_end(client, code):
    """The client is closed by the server, with this code, in a clean way."""
    try:
        await client.recv()
        assert False, "a message instead of the end"
    except ConnectionClosed as end:
        assert end.rcvd is not None and end.rcvd.code == code, end
        assert end.sent is not None and end.sent.code == code, end


# --- what holds in each shape of the server ---


async def messages_of_every_size_come_back(echo):
    async with open_client(echo) as client:
        for size in SIZES:
            await expect_echo(client, os.urandom(size))
            await expect_echo(client, "x" * size)


async def text_of_every_plane_comes_back(echo):
    async with open_client(echo) as client:
        await expect_echo(client, TEXT * 1000)


async def fragments_come_back_as_one_message(echo):
    async with open_client(echo) as client:
        for parts in (["a", "", "bc"], [b"", b"\x00" * 70000, b"end"], ["é"] * 300):
            await client.send(parts)
            assert await client.recv() == type(parts[0])().join(parts)


async def a_character_may_be_cut_by_fragments(echo):
    async with open_client(echo) as client:
        data = TEXT.encode()
        await client.write_frame(False, OP_TEXT, data[:1])
        for byte in data[1:]:
            await client.write_frame(False, OP_CONT, bytes([byte]))
        await client.write_frame(True, OP_CONT, b"")
        assert await client.recv() == TEXT


async def pings_are_answered_with_their_payload(echo):
    async with open_client(echo) as client:
        for payload in (b"one", b"", b"p" * 125):
            await (await client.ping(payload))  # ends when a pong with this payload came


async def a_ping_between_fragments_is_answered_before_the_message(echo):
    async with open_client(echo) as client:
        await client.write_frame(False, OP_TEXT, b"begun")
        await (await client.ping(b"amid"))
        await client.write_frame(True, OP_CONT, b", ended")
        assert await client.recv() == "begun, ended"


async def a_hundred_clients_are_served_at_once(echo):
    clients = await asyncio.gather(*(open_client(echo) for _ in range(100)))
    for turn in range(3):
        await asyncio.gather(*(expect_echo(c, f"{turn} {i}") for i, c in enumerate(clients)))
    await asyncio.gather(*(client.close() for client in clients))
    assert {client.close_code for client in clients} == {1000}


async def ten_thousand_pipelined_messages_come_back_in_order(echo):
    async def send_all(client):
        for i in range(10000):
            await client.send(str(i))

    async with open_client(echo, compression=None) as client:
        sending = asyncio.create_task(send_all(client))
        for i in range(10000):
            assert await client.recv() == str(i)
        await sending


async def a_close_is_answered_with_its_code_and_reason(echo):
    for code, reason in ((1000, ""), (1001, "going"), (3000, "é" * 61), (4999, "r" * 123)):
        async with open_client(echo) as client:
            await expect_echo(client, "before")
            await client.close(code, reason)
            assert (client.close_code, client.close_reason) == (code, reason)
            assert client.close_rcvd_then_sent is False


async def a_close_without_a_code_is_answered_without_one(echo):
    async with open_client(echo) as client:
        await client.write_frame(True, OP_CLOSE, b"")
        await client.wait_closed()
        assert client.close_rcvd is not None and client.close_code == 1005


async def messages_before_a_close_are_answered_first(echo):
    async with open_client(echo) as client:
        for i in range(20):
            await client.send(str(i))
        await client.write_frame(True, OP_CLOSE, b"\x03\xe8")
        for i in range(20):
            assert await client.recv() == str(i)
        await expect_end(client, 1000)


async def invalid_utf8_is_refused_with_1007(echo):
    async with open_client(echo) as client:
        await client.write_frame(True, OP_TEXT, b"ok so far \xff")
        await expect_end(client, 1007)


async def compression_is_not_agreed_on_unasked(echo):
    async with open_client(echo, compression="deflate") as client:
        assert client.extensions == []
        await expect_echo(client, "plain")


# --- what needs a server of its own ---


async def a_message_over_the_limit_is_refused_with_1009():
    for options in (["--max-message", "1000"], ["--max-frame", "1000", "--max-message", "none"]):
        with Echo(*options) as echo:
            for size in (1001, 8 << 20):  # a large one is still in flight
                async with open_client(echo) as client:
                    await expect_echo(client, "x" * 1000)
                    await client.send(bytes(size))
                    await expect_end(client, 1009)


async def fragments_over_the_limit_together_are_refused_with_1009():
    with Echo("--max-message", "1000") as echo:
        async with open_client(echo) as client:
            await client.send(["x" * 500, "x" * 500])
            assert await client.recv() == "x" * 1000
            await client.send(["x" * 500, "x" * 501])
            await expect_end(client, 1009)


async def sigterm_closes_every_session_with_1001():
    with Echo("--threads", "2") as echo:
        clients = await asyncio.gather(*(open_client(echo) for _ in range(20)))
        await asyncio.gather(*(expect_echo(client, "here") for client in clients))
        echo.terminate()
        await asyncio.gather(*(expect_end(client, 1001) for client in clients))


async def clients_that_vanish_leave_nothing_behind():
    with Echo() as echo:
        before = echo.descriptors()
        clients = await asyncio.gather(*(open_client(echo) for _ in range(20)))
        await asyncio.gather(*(expect_echo(client, "here") for client in clients))
        assert echo.descriptors() >= before + 20
        for client in clients[:10]:
            client.transport.write(b"\x82\xfe")  # in the middle of a frame
        for client in clients:
            client.transport.abort()
        await until(lambda: echo.descriptors() <= before)
        async with open_client(echo) as client:
            await expect_echo(client, "still serving")


async def a_client_that_answers_no_ping_is_closed_with_1011():
    async def say_nothing(_):
        pass

    with Echo("--ping-interval", "20", "--ping-timeout", "50") as echo:
        async with open_client(echo) as client:
            client.pong = say_nothing
            await expect_end(client, 1011)


async def a_client_that_answers_pings_stays():
    with Echo("--ping-interval", "10", "--ping-timeout", "10000") as echo:
        async with open_client(echo) as client:
            pongs = 0
            answer = client.pong

            async def count(payload):
                nonlocal pongs
                pongs += 1
                await answer(payload)

            client.pong = count
            await until(lambda: pongs >= 5)
            await expect_echo(client, "here")


sys.exit(
    run(
        in_each_shape=(
            messages_of_every_size_come_back,
            text_of_every_plane_comes_back,
            fragments_come_back_as_one_message,
            a_character_may_be_cut_by_fragments,
            pings_are_answered_with_their_payload,
            a_ping_between_fragments_is_answered_before_the_message,
            a_hundred_clients_are_served_at_once,
            ten_thousand_pipelined_messages_come_back_in_order,
            messages_before_a_close_are_answered_first,
            a_close_is_answered_with_its_code_and_reason,
            a_close_without_a_code_is_answered_without_one,
            invalid_utf8_is_refused_with_1007,
            compression_is_not_agreed_on_unasked,
        ),
        alone=(
            a_message_over_the_limit_is_refused_with_1009,
            fragments_over_the_limit_together_are_refused_with_1009,
            sigterm_closes_every_session_with_1001,
            clients_that_vanish_leave_nothing_behind,
            a_client_that_answers_no_ping_is_closed_with_1011,
            a_client_that_answers_pings_stays,
        ),
    )
)
