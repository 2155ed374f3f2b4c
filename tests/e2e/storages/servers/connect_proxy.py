"""A proxy (HTTP CONNECT) that leads every connection to one local port, whatever host is asked for.

So a program that builds its server's name from an account, as restic does for Azure, reaches an emulator.
"""

import asyncio
import sys


async def copy_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    server = await asyncio.open_connection(sys.argv[1], int(sys.argv[3]))
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(copy_bytes(reader, server[1]), copy_bytes(server[0], writer))


async def main() -> None:
    server = await asyncio.start_server(handle, sys.argv[1], int(sys.argv[2]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
