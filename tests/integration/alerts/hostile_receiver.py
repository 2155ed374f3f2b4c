"""A web server that misbehaves by path, as a process of its own so that a test can measure the sender alone.

    /hang      answers nothing
    /drip      one byte of its headers each half second
    /dripping  200, then one byte of a body each half second
    /flood     200, then a body without an end
    /redirect  302 to /good
    /good      200

TLS is refused.
It prints its port, then the path of each request.
"""

import asyncio
import sys


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def read_path(reader: asyncio.StreamReader) -> str:
    first = await reader.readexactly(1)
    if first == b"\x16":  # a TLS handshake
        raise ConnectionRefusedError
    head = await reader.readuntil(b"\r\n\r\n")
    return head.split(b" ")[1].decode()


async def drip(writer: asyncio.StreamWriter, head: bytes) -> None:
    writer.write(head)
    for _ in range(2000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.5)


async def flood(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        writer.write(b" " * 65536)
        await writer.drain()


async def answer(path: str, writer: asyncio.StreamWriter) -> None:
    match path:
        case "/hang":
            await asyncio.sleep(1000)
        case "/drip":
            await drip(writer, b"HTTP/1.1 200 OK\r\nServer: ")
        case "/dripping":
            await drip(writer, b"HTTP/1.1 200 OK\r\n\r\n")
        case "/flood":
            await flood(writer)
        case "/redirect":
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: /good\r\nContent-Length: 0\r\n\r\n")
        case _:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        path = await read_path(reader)
        say(path)
        await answer(path, writer)
        await writer.drain()
        writer.close()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        writer.close()  # the sender went, or spoke TLS


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    say(server.sockets[0].getsockname()[1])
    await asyncio.wait_for(server.serve_forever(), 600)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
