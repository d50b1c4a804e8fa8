"""A steady load that counts every answer: `steady.py URL KEY --rate 1500 --seconds 60`; prints one line of JSON.

Each request asks for the sum of a row of its own, so that another request's answer is a wrong one. Requests are sent on
a schedule over kept connections; one that is answered late delays those behind it on its connection, not the others. A
connection that is closed while nothing is asked is opened again; a request that got no whole answer is lost.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import uvloop

TIMEOUT_SECONDS = 30.0


@dataclass
class Tally:
    """`kinds` counts the answers, "right" and whatever else there was; `late` the milliseconds each right one took."""

    kinds: Counter[str] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)
    first_wrong: str = ""

    def add(self, kind: str, said: str = "") -> None:
        self.kinds[kind] += 1
        if kind != "right" and not self.first_wrong:
            self.first_wrong = f"{kind} {said}"

    def as_json(self, seconds: float) -> str:
        late = sorted(self.late) or [0.0]
        total = sum(self.kinds.values())
        found = {
            "requests": total,
            "per_second": round(total / seconds),
            "not_right": total - self.kinds["right"],
            "kinds": dict(self.kinds),
            "p50_ms": round(late[len(late) // 2], 2),
            "p99_ms": round(late[len(late) * 99 // 100], 2),
            "max_ms": round(late[-1], 1),
            "first_wrong": self.first_wrong[:500],
        }
        return json.dumps(found)


class Caller:
    """One connection's requests, `start` seconds after the others' and `pause` seconds apart."""

    def __init__(self, url: str, key: str, number: int, tally: Tally) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: ApiKey {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        self._number = number
        self._tally = tally
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, *, start: float, pause: float, until: float) -> None:
        due, count = time.perf_counter() + start, 0
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            began = time.perf_counter()
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    kind, said = await self._ask([self._number, count])
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                kind, said = f"lost ({type(error).__name__})", ""
                self._close()
            self._tally.add(kind, said)
            if kind == "right":
                self._tally.late.append((time.perf_counter() - began) * 1000)
            due, count = max(due + pause, began), count + 1
        self._close()

    async def _ask(self, row: list[int]) -> tuple[str, str]:
        body = b'{"instances": [[%d, %d]]}' % tuple(row)
        reader, writer = await self._connection()
        writer.write(self._head + b"%d\r\n\r\n" % len(body) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        status = head[9:12].decode()
        lower = head.lower()
        if b"content-length:" not in lower:
            raise ValueError("an answer without a length")
        answer = await reader.readexactly(int(lower.partition(b"content-length:")[2].split(b"\r\n")[0]))
        if b"connection: close" in lower:
            self._close()
        if status != "200":
            return status, answer.decode(errors="replace")
        is_right = json.loads(answer)["predictions"] == [sum(row)]
        return ("right" if is_right else "wrong answer"), answer.decode(errors="replace")

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None or self._reader.at_eof() or self._writer.is_closing():
            self._close()
            self._reader, self._writer = await asyncio.open_connection(*self._address)
        return self._reader, self._writer

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


async def load(url: str, key: str, *, rate: float, connections: int, seconds: float) -> Tally:
    tally = Tally()
    until = time.perf_counter() + seconds
    pause = connections / rate
    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            caller = Caller(url, key, number, tally)
            group.create_task(caller.run(start=pause * number / connections, pause=pause, until=until))
    return tally


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("url")
    arguments.add_argument("key")
    arguments.add_argument("--rate", type=float, default=1500)
    arguments.add_argument("--connections", type=int, default=32)
    arguments.add_argument("--seconds", type=float, default=60)
    asked = arguments.parse_args()
    work = load(asked.url, asked.key, rate=asked.rate, connections=asked.connections, seconds=asked.seconds)
    print(uvloop.run(work).as_json(asked.seconds))


if __name__ == "__main__":
    main()
