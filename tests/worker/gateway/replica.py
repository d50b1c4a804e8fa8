"""A replica that says what it got, as a process of its own that can be killed: `python replica.py <name> [<port>]`.

It writes its port, and does by path what a test wants: `/status/<n>` answers so, `/slow/<seconds>` waits.
"""

import asyncio
import hashlib
import json
import sys


async def answer(name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            line, *lines = head.decode("latin-1").strip().split("\r\n")
            headers = {key.lower(): value for key, _, value in (each.partition(": ") for each in lines)}
            method, path, _ = line.split(" ")
            body = await read(reader, headers)
            status = int(path.rpartition("/")[2]) if path.startswith("/status/") else 200
            if path.startswith("/slow/"):
                await asyncio.sleep(float(path.rpartition("/")[2]))
            said = {
                "replica": name,
                "method": method,
                "path": path,
                "headers": headers,
                "length": len(body),
                "sha256": hashlib.sha256(body).hexdigest(),
            }
            text = json.dumps(said).encode()
            more = f"x-request-id: {headers.get('x-request-id', '')}\r\nset-cookie: a=b\r\n"
            writer.write(
                f"HTTP/1.1 {status} So\r\ncontent-type: application/json\r\n{more}"
                f"content-length: {len(text)}\r\n\r\n".encode()
                + (b"" if method == "HEAD" else text)
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def read(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


async def main(name: str, port: int = 0) -> None:
    server = await asyncio.start_server(
        lambda reader, writer: answer(name, reader, writer), "127.0.0.1", port, limit=2**20
    )
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - how the test learns of the port
    await server.serve_forever()


asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
