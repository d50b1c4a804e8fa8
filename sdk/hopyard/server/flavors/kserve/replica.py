"""A process that holds one object of a deployment and answers for it: `python -m ... <descriptor of its line>`."""

import asyncio
import importlib
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

from hopyard.server import output, shims
from hopyard.server.bodies import codec
from hopyard.server.failures import Failure, one_line, trimmed_traceback
from hopyard.server.flavors import Exchange, Host, Model
from hopyard.server.flavors.kserve import describe, hosting, installed, problems, scripts
from hopyard.server.flavors.kserve.wire import TENSORS, Answer, Description, Question, Refusal, Spec
from hopyard.server.replies import Problem, Reply
from hopyard.server.runners import ModelThread

MAIN = "__mp_main__"  # what multiprocessing calls a program that was started again


class Replica:
    """One object, asked one question at a time."""

    def __init__(self, connection: "Connection[Any, Any]", loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._loop = loop
        self._thread = ModelThread(loop)
        self._stages: list[tuple[str, float]] = []

    async def run(self) -> None:
        """Construct what the server asks for, then answer until it closes the line."""
        spec: Spec = await self._received()
        try:
            model = await self._thread.call(lambda: self._construct(spec))
            metadata = model.metadata() if model.metadata else {}
        except BaseException as error:
            self._connection.send(_refusal(spec, error))
            return
        self._connection.send(Description(list(model.verbs), model.tensors is not None, dict(metadata)))
        while True:
            self._connection.send(await self._answer(model, await self._received()))

    async def _received(self) -> Any:
        return await self._loop.run_in_executor(None, self._connection.recv)

    def _construct(self, spec: Spec) -> Model:
        sys.path[:], sys.argv[:] = spec.path, spec.argv
        shims.install()
        target: Any = _module(spec)
        for part in spec.attribute.split("."):
            target = getattr(target, part)
        kind = getattr(target, "func_or_class", target)
        instance = kind(*spec.args, **(spec.kwargs or {}))
        instance.ready = True  # as a replica of Ray is, once it is constructed
        return describe.described(instance, spec.name, self._host(spec.name))

    def _host(self, name: str) -> Host:
        return Host(
            name=name,
            version="",
            files_dir=None,
            in_thread=self._thread.call,
            observe=lambda model, stage, seconds: self._stages.append((stage, seconds)),
            hand_over=lambda models: None,
        )

    async def _answer(self, model: Model, question: Question) -> Answer:
        self._stages = []
        exchange = model.tensors if question.verb == TENSORS else model.verbs[question.verb]
        assert exchange is not None
        try:
            value = await self._made(exchange, question)
        except BaseException as error:
            return Answer.refusing(_problem(error), self._stages)
        return Answer(value, None, self._stages)

    async def _made(self, exchange: Exchange, question: Question) -> Any:
        payload = exchange.decode(question.asked)
        run: Callable[[Any], Any] = exchange.operation.run
        value = await (
            run(payload) if exchange.operation.is_async else self._thread.call(lambda: run(payload))
        )
        answer = exchange.encode(value, question.asked)
        if isinstance(answer, Reply) and answer.stream is not None:
            body = await self._drained(answer.stream)
            return Reply(body, answer.status, answer.content_type, answer.headers)
        return answer

    async def _drained(self, stream: Any) -> bytes:
        """Streams end at the line to the server: it gets them in one piece."""
        if hasattr(stream, "__aiter__"):
            return b"".join([codec.piece(each) async for each in stream])
        return await self._thread.call(lambda: b"".join(map(codec.piece, stream)))  # type: ignore[no-any-return]


def main() -> int:
    """Serve one line. Returns the exit status."""
    # The server decides when this process ends, also where a whole process group is signalled.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    output.set_up()
    connection: Connection[Any, Any] = Connection(int(sys.argv[1]))
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(Replica(connection, loop).run())
    except (EOFError, OSError):
        return 0
    return 1


def _module(spec: Spec) -> ModuleType:
    """The module of the class; the script itself is run again, under another name than the server's."""
    hosting.expect(None)
    installed.redirect(hosting.start)
    if not spec.script:
        return importlib.import_module(spec.module)
    source = Path(spec.script).read_bytes()
    module = ModuleType(MAIN)
    module.__file__ = spec.script
    module.__dict__.update(scripts.forgotten(scripts.parsed(source)))
    sys.modules[MAIN] = module
    exec(compile(source, spec.script, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    return module


def _refusal(spec: Spec, error: BaseException) -> Refusal:
    if isinstance(error, Failure):
        return Refusal(error.code, error.reason, error.evidence)
    reason = f"{one_line(error)}, raised while a replica of {spec.name} was constructed; correct the script."
    return Refusal("LoadFailed", reason, trimmed_traceback(error))


def _problem(error: BaseException) -> Problem:
    if isinstance(error, codec.Unserialisable):
        return Problem(500, f"The model's answer cannot be written as JSON: {error}", "AnswerInvalid")
    problem = problems.problem(error)
    if problem.status >= 500:
        sys.stderr.write(trimmed_traceback(error) + "\n")
    return problem


if __name__ == "__main__":
    sys.exit(main())
