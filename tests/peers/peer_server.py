"""A server of python3-websockets for weir's clients. Prints its port, serves until standard input ends.

/echo     every message back
/seen     one text: the path and the fields of the request, a line each, names in lower case
/refuse   403 with a body
/last     one text: code and reason of the newest session that has ended, as seen here
/obey     does what each text says:
          fragments A B ...      sends the words as the fragments of one text
          ping PAYLOAD           pings, and says so once the pong came: pong PAYLOAD
          close [CODE [REASON]]  closes, without a code when none is given
          raw HEX                puts bytes on the wire as they are
          abort, reset           ends the connection without a Close: by FIN, by RST
"""

import asyncio
import socket
import struct
import sys
from http import HTTPStatus

try:
    from websockets.exceptions import ConnectionClosed
    from websockets.frames import OP_CLOSE
    from websockets.legacy.server import serve
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

last = ""


async def send_fragments(session, *words):
    await session.send(words)


async def ping(session, payload):
    await (await session.ping(payload))
    await session.send(f"pong {payload}")


async def close(session, code=None, *reason):
    if code is None:
        await session.write_frame(True, OP_CLOSE, b"")
    else:
        await session.close(int(code), " ".join(reason))


async def put_raw(session, digits):
    session.transport.write(bytes.fromhex(digits))


async def abort(session):
    session.transport.abort()


async def reset(session):
    connection = session.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    session.transport.abort()


ORDERS = {
    "fragments": send_fragments,
    "ping": ping,
    "close": close,
    "raw": put_raw,
    "abort": abort,
    "reset": reset,
}


async def obey(session):
    tasks = []  # an order such as ping waits for what this loop has to go on reading
    async for order in session:
        name, *arguments = order.split(" ")
        tasks.append(asyncio.create_task(ORDERS[name](session, *arguments)))
    await asyncio.gather(*tasks, return_exceptions=True)


async def echo(session):
    async for message in session:
        await session.send(message)


async def send_seen(session):
    fields = (f"{name.lower()}: {value}" for name, value in session.request_headers.raw_items())
    await session.send("\n".join((session.path, *fields)))


async def send_last(session):
    await session.send(last)


PATHS = {"/echo": echo, "/seen": send_seen, "/last": send_last, "/obey": obey}


async def handle(session):
    global last
    path = session.path.partition("?")[0]
    try:
        await PATHS[path](session)
    except ConnectionClosed:
        pass
    if path != "/last":
        await session.close()
        last = f"{session.close_code} {session.close_reason}"


async def refuse(path, _):
    return (HTTPStatus.FORBIDDEN, {}, b"no entry") if path == "/refuse" else None


async def main():
    options = {
        "subprotocols": ["beta"],
        "process_request": refuse,
        "max_size": None,
        "ping_interval": None,
    }
    async with serve(handle, "127.0.0.1", 0, **options) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
