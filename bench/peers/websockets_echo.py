#!/usr/bin/python3 -B
"""An echo on python3-websockets, to be measured beside weir's. --deflate: it compresses without context takeover, --deflate=takeover: with it."""

import asyncio
import resource
import sys

import websockets
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory


async def echo(session, *_):
    async for message in session:
        await session.send(message)


async def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    apart = mode != "--deflate=takeover"
    extensions = [ServerPerMessageDeflateFactory(server_no_context_takeover=apart, client_no_context_takeover=apart,
                                                 compress_settings={"level": 6})] if mode else None
    server = await websockets.serve(echo, "127.0.0.1", 0, compression=None, extensions=extensions, max_size=1 << 24,
                                    ping_interval=None, backlog=4096)
    print(f"listening on ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
    await asyncio.Future()


_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
asyncio.run(main())
