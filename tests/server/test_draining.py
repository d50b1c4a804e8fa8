"""Stopping under load: whatever was sent on a connection that stood is answered, however it is timed."""

import asyncio
import random
import signal
import socket
from collections import Counter

import pytest

from .process import DEADLINE_SECONDS, http

MIXED = """
import random, time
class Predict:
    def predict(self, inputs):
        time.sleep(random.choice([0, 0, 0, {delay}]))
        return inputs
"""


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, bool]:
    """Send one request; return its status, and whether the connection is to be closed. Raises if none came."""
    writer.write(http())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    return int(head.split()[1]), b"connection: close" in head


async def caller(address: tuple[str, int], seen: Counter[str], *, think: float, keeps: bool) -> None:
    """Ask again and again, until the port refuses."""
    while True:
        try:
            reader, writer = await asyncio.open_connection(*address)
        except OSError:
            return
        is_open = True
        while is_open:
            await asyncio.sleep(random.random() * think)
            if reader.at_eof() or reader.exception():
                seen["closed while idle"] += 1
                break
            try:
                status, closes = await answered(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                seen["lost"] += 1
                break
            seen[str(status)] += 1
            is_open = keeps and not closes
        writer.close()


async def stop_under_load(server, callers: int, **how) -> Counter[str]:
    """How the requests went that were made while the server was told to stop."""
    seen: Counter[str] = Counter()
    tasks = [asyncio.create_task(caller(server.address, seen, **how)) for _ in range(callers)]
    async with asyncio.timeout(DEADLINE_SECONDS):
        while seen["200"] < callers * 2:
            await asyncio.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*tasks)
    return seen


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("callers", "think", "keeps", "delay"),
    [
        pytest.param(40, 0, True, 0, id="busy connections"),
        pytest.param(100, 0.5, True, 0, id="idle ones"),
        pytest.param(24, 0, False, 0, id="a new one for each request"),
        pytest.param(6, 0, True, 0.3, id="a slow model"),
    ],
)
def test_no_request_is_lost(serve, workers, callers, think, keeps, delay):
    server = serve(MIXED.format(delay=delay), WORKERS=workers, BATCHING="off", DRAIN_SECONDS=6).ready()
    server.client.close()
    seen = asyncio.run(stop_under_load(server, callers, think=think, keeps=keeps))
    assert seen["lost"] == 0, seen
    assert server.process.wait(DEADLINE_SECONDS) == 0


def test_a_connection_made_before_the_end_may_still_ask(serve):
    """The last moment: it is accepted, the port is left, and only then its request comes."""
    server = serve().ready()
    server.client.close()

    async def stop_and_ask() -> tuple[int, bool]:
        reader, writer = await asyncio.open_connection(*server.address)
        server.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await asyncio.to_thread(port_answers, server.address):
                await asyncio.sleep(0.01)
            found = await answered(reader, writer)
        writer.close()
        return found

    assert asyncio.run(stop_and_ask()) == (200, True)


def port_answers(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=0.2).close()
    except OSError:
        return False
    return True
