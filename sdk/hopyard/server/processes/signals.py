"""The signals that stop a server."""

import asyncio
import os
import signal

STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


def stop_signal() -> asyncio.Event:
    """The first TERM, INT or QUIT sets the event; a second one ends the process at once."""
    stop = asyncio.Event()

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in STOP:
        loop.add_signal_handler(number, on_signal, number)
    return stop
