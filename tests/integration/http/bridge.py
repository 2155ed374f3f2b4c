"""A bridge from TCP on loopback to the socket, as another user: for tools that speak only TCP.

python bridge.py SOCKET UID GID    prints the port, then serves until it is killed
"""

import asyncio
import os
import sys


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()
    except OSError:
        return
    finally:
        writer.close()


async def main(path: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_unix_connection(path)
        await asyncio.gather(_copy(reader, here), _copy(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    os.setgroups([])
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[2]))
    asyncio.run(main(sys.argv[1]))
