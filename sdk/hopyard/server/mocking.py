"""A server in this process, without a socket, for trying a script: `mock("iris.py").test(path, body)`.

Requests pass the same routes and run in the same threads as those of a real server. The loop runs in a thread.
"""

import asyncio
import sys
import threading
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from hopyard.server import config, loader, shims
from hopyard.server.bodies import codec
from hopyard.server.books import Books
from hopyard.server.dataplane import DataPlane
from hopyard.server.failures import one_line
from hopyard.server.flavors import Host, Model
from hopyard.server.flavors.mlrun import assembly, plan
from hopyard.server.flavors.mlrun.events import Response
from hopyard.server.metrics import Metrics
from hopyard.server.mock_request import TEXT, Answer, MockRequest
from hopyard.server.routes import Routes
from hopyard.server.runners import ModelThread

SECONDS = 600.0

Load = Callable[[Host], Sequence[Model]]


class MockServer:
    """Serves what `load` returns. Close it, or use it in a `with`."""

    def __init__(self, load: Load, *, name: str, version: str = "", files_dir: Path | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        runner = threading.Thread(target=self._loop.run_forever, name="mock server", daemon=True)
        threads: list[ModelThread] = []
        self._close = weakref.finalize(self, _end, self._loop, runner, threads)
        runner.start()
        with config.exporting(files_dir), _main_kept():
            starting = self._start(load, threads, name=name, version=version, files_dir=files_dir)
            try:
                asyncio.run_coroutine_threadsafe(starting, self._loop).result(SECONDS)
            except BaseException:
                self.close()
                raise

    def test(
        self,
        path: str = "/",
        body: Any = None,
        method: str = "",
        headers: Mapping[str, str] | None = None,
        content_type: str | None = None,
        *,
        silent: bool = False,
        get_body: bool = True,
        event_id: str | None = None,
        **ignored: Any,
    ) -> Any:
        """Ask, with POST if there is a body, and return what JSON says, the text that was answered, or else a
        Response. Raises RuntimeError for a status of 300 or more; with `silent` that is a Response as well.
        """
        request = MockRequest(headers or {}, content_type)
        request.method = (method or ("GET" if body is None else "POST")).upper().encode()
        request.target = (path if path.startswith("/") else f"/{path}").encode()
        request.body = _bytes(body)
        request.id = (event_id or uuid.uuid4().hex).encode()
        answered: Future[Answer] = request.answered
        self._loop.call_soon_threadsafe(self._ask, request)
        return _value(answered.result(SECONDS), silent=silent, get_body=get_body)

    @property
    def models(self) -> list[str]:
        """The names that are served, `name` or `name:version`."""
        return self._plane.names

    def wait_for_completion(self) -> None:
        """Nothing is left to wait for: `test` returns answers."""

    def close(self) -> None:
        """End the threads. Doing it twice is no error."""
        self._close()

    def __enter__(self) -> "MockServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, request: MockRequest) -> None:
        try:
            self._routes(request)
        except Exception:
            request.fail_inside()

    async def _start(
        self, load: Load, threads: list[ModelThread], *, name: str, version: str, files_dir: Path | None
    ) -> None:
        loop, metrics = self._loop, Metrics()
        thread = ModelThread(loop)
        threads.append(thread)
        self._plane = DataPlane(name, thread=thread, loop=loop, metrics=metrics, stuck_seconds=SECONDS)
        books = Books(metrics, None)
        self._routes = Routes(self._plane, keys=None, books=books, server_version="mock")
        self._plane.changed = self._routes.rebuild
        host = Host(
            name=name,
            version=version,
            files_dir=files_dir,
            in_thread=thread.call,
            observe=metrics.observe_stage,
            hand_over=thread.answer_and_go_on,
            fetches_data_urls=True,  # who asks a mock is its author
        )
        models: Sequence[Model] = await thread.call(lambda: _loaded(load, host))
        self._plane.serve(models, batching=lambda model: None)
        threads += [each.thread for each in self._plane.hosted.values() if each.thread is not thread]


def mock(
    target: Any, *, name: str = "", version: str = "", model_dir: str | Path | None = None, **class_args: Any
) -> MockServer:
    """Return a server of a script's path, a module, a class, an object, or a dict of classes by name.

    `model_dir` is where the model's files are, `class_args` are arguments of classes that take them. Raises
    Failure for a script with nothing to serve, and what constructing and loading a class or an object raises.
    """
    shims.install()
    files_dir = Path(model_dir) if model_dir is not None else None
    if isinstance(target, str | Path):
        script = Path(target)
        name, files_dir = name or script.stem, files_dir or script.parent
    load = _loading(target, class_args)
    return MockServer(load, name=name or _name(target), version=version, files_dir=files_dir)


def mock_function(function: Any, namespace: Mapping[str, Any]) -> MockServer:
    """Return a server of the models of an MLRun function, whose classes are named in `namespace`."""
    name = str(function.metadata.name or "function")
    return MockServer(lambda host: assembly.models_of(plan.of_function(function, namespace), host), name=name)


def _loading(target: Any, class_args: Mapping[str, Any]) -> Load:
    if isinstance(target, Mapping):
        loads = {name: _loading(each, class_args) for name, each in target.items()}
        return lambda host: [
            model for name, load in loads.items() for model in load(_changed(host, name=name))
        ]
    if isinstance(target, str | Path):
        return lambda host: loader.load(Path(target), _changed(host, options=class_args))
    if isinstance(target, ModuleType):
        return lambda host: _build(target, _changed(host, options=class_args))
    if isinstance(target, type):
        module = ModuleType(target.__module__)
        setattr(module, target.__name__, target)
        return lambda host: _build(module, _changed(host, options=class_args, class_name=target.__name__))
    return lambda host: _build_object(target, _changed(host, options=class_args))


def _build(module: ModuleType, host: Host) -> list[Model]:
    for flavor in loader.FLAVORS:
        found = flavor.find(module, host)
        if found is not None:
            return flavor.build(found, host)
    what = host.class_name or module.__name__
    raise TypeError(
        f"{what} is in no style that is served; write a class Predict with a method predict, or derive from "
        "mlrun.serving.V2ModelServer or kserve.Model"
    )


def _build_object(target: Any, host: Host) -> list[Model]:
    if hasattr(target, "do_event"):
        return assembly.models_of(plan.of_object(target, host.name, host.options), host)
    module = ModuleType(type(target).__module__)
    setattr(module, "model", target)  # noqa: B010 - a module has whatever its script makes
    kind = type(target).__name__
    setattr(module, "Predict", type(kind, (), {"__new__": lambda _: target}))  # noqa: B010
    return _build(module, host)


def _changed(host: Host, **changes: Any) -> Host:
    return Host(**{**{name: getattr(host, name) for name in Host.__slots__}, **changes})


def _name(target: Any) -> str:
    if isinstance(target, ModuleType):
        return target.__name__.rpartition(".")[2]
    return "model"


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else codec.dumps(body, place="the body")


def _value(answer: Answer, *, silent: bool, get_body: bool) -> Any:
    text = answer.body.decode(errors="replace")
    if answer.status >= 300 and not silent:
        raise RuntimeError(f"failed ({answer.status}): {text}")
    if answer.status < 300 and get_body and not answer.headers:
        if answer.is_json:
            return codec.parse(answer.body)
        if answer.content_type == TEXT:
            return text or None
    body = text if answer.is_text else answer.body
    return Response(answer.header_map, body, answer.content_type, answer.status)


def _loaded(load: Load, host: Host) -> Sequence[Model]:
    """What ends a program must not end the loop that waits here."""
    try:
        return load(host)
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"{one_line(error)}, raised while the model was built") from error


@contextmanager
def _main_kept() -> Iterator[None]:
    """A script may be run as the main program; the one that tries it stays that."""
    main, argv = sys.modules.get("__main__"), list(sys.argv)
    try:
        yield
    finally:
        sys.argv[:] = argv
        if main is not None:
            sys.modules["__main__"] = main


def _end(loop: asyncio.AbstractEventLoop, runner: threading.Thread, threads: list[ModelThread]) -> None:
    for thread in threads:
        thread.stop()
    loop.call_soon_threadsafe(loop.stop)
    if runner is not threading.current_thread():
        runner.join()
        loop.close()
