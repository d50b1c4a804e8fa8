"""From a path to a `Model`: import the user's script, find its class, build it, and word what goes wrong."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from hopyard.server.distributions import distribution_of
from hopyard.server.failures import Failure, one_line, place_of, trimmed_traceback
from hopyard.server.flavors import Flavor, Host, Model, kserve, mlrun, predict

FLAVORS: tuple[Flavor, ...] = (mlrun, kserve, predict)
LISTED_FILES = 40

Found = tuple[Flavor, Any]


def load(script: Path, host: Host, *, arguments: Sequence[str] = ()) -> list[Model]:
    """Import `script` and build what it defines; every way to fail is a `Failure` with its own code.

    A script that starts its server itself is run as the main program, with its arguments, and hands its models
    over through `host`; this then returns when the server stops.
    """
    module = run(script, host, arguments=arguments)
    return [] if module is None else build(find(module, script, host), script, host)


def run(script: Path, host: Host, *, arguments: Sequence[str] = ()) -> ModuleType | None:
    """Import `script`; None if it started its server, which has ended then. Raises Failure."""
    with worded(script, host.files_dir, importing=True):
        source = source_of(script)
        preparation = kserve.prepare(source, host)
        module = imported(script, source, preparation, arguments)
        return None if preparation.handed_over else module


def find(module: ModuleType, script: Path, host: Host) -> Found:
    """Return what the first flavor that finds something would serve. Raises Failure."""
    with worded(script, host.files_dir, importing=True):
        return _find(module, script, host)


def build(found: Found, script: Path, host: Host) -> list[Model]:
    """Construct and describe what was found. Raises Failure."""
    flavor, thing = found
    with worded(script, host.files_dir, importing=False):
        return flavor.build(thing, host)


def imported(
    script: Path, source: bytes, preparation: kserve.Preparation, arguments: Sequence[str]
) -> ModuleType:
    """Run a script as a module, with its folder on the path and its arguments in `sys.argv`."""
    path = script.absolute()
    module = ModuleType("__main__" if preparation.run_as_main else _module_name(path.stem))
    module.__file__ = str(path)
    module.__dict__.update(preparation.globals)
    code = compile(source, str(path), "exec", dont_inherit=True)
    sys.path.insert(0, str(path.parent))
    sys.argv[:] = [str(path), *arguments]
    sys.modules[module.__name__] = module
    exec(code, module.__dict__)  # noqa: S102
    return module


def _module_name(stem: str) -> str:
    names = (stem, "hopyard_script", "hopyard_transformer")
    return next((name for name in names if name.isidentifier() and name not in sys.modules), names[-1])


def source_of(path: Path, *, role: str = "the script ") -> bytes:
    """Return the bytes of a script. Raises Failure ScriptNotFound."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(
            "ScriptNotFound",
            f"{_capital(role)}{path} cannot be read ({error.strerror}); check its path and that it was uploaded.",
        ) from None


def _find(module: ModuleType, script: Path, host: Host) -> Found:
    for flavor in FLAVORS:
        found = flavor.find(module, host)
        if found is not None:
            return flavor, found
    own = [n for n, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__]
    seen = f"the classes found are {', '.join(own)}" if own else "it defines no class at all"
    raise Failure(
        "ClassMissing",
        f"{script.name} has no class named {host.class_name}; {seen}."
        if host.class_name
        else f"{script.name} has no class named Predict, and none derived from V2ModelServer or kserve.Model; "
        f"{seen}. Name the class that answers requests Predict.",
    )


@contextmanager
def worded(script: Path, files_dir: Path | None, *, importing: bool, role: str = "") -> Iterator[None]:
    """Make a `Failure` of whatever goes wrong; `role` stands before the script's name where it is not the model's."""
    try:
        yield
    except Failure:
        raise
    except BaseException as error:
        code, reason = _explain(error, script, files_dir, importing=importing, role=role)
        raise Failure(code, reason, trimmed_traceback(error)) from None


def _explain(
    error: BaseException, script: Path, files_dir: Path | None, *, importing: bool, role: str
) -> tuple[str, str]:
    doing = f"importing {role}" if importing else f"building {role or 'the model of '}"
    where = doing + script.name
    at = where + _line(error, script)
    if isinstance(error, SyntaxError) and importing:
        return "ScriptSyntaxError", _syntax(error, script, role)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return "DependencyMissing", _dependency(error.name, at)
    if isinstance(error, FileNotFoundError):
        return "ModelFileMissing", _missing_file(error, at, files_dir)
    if isinstance(error, MemoryError):
        return "OutOfMemory", f"Memory ran out while {where}; give the serving more memory."
    if isinstance(error, SystemExit):
        said = f"sys.exit({error.code!r}) was called while {at}"
        return ("ImportFailed" if importing else "LoadFailed"), f"{said}; a served script must not exit."
    code = "ImportFailed" if importing else "LoadFailed"
    return code, f"{one_line(error)}, raised while {at}; correct the script and try again."


def _line(error: BaseException, script: Path) -> str:
    name, line = place_of(error) or ("", 0)
    if not line:
        return ""
    return f" (line {line})" if name == script.name else f" (line {line} of {name})"


def _syntax(error: SyntaxError, script: Path, role: str) -> str:
    if error.filename and Path(error.filename).name != script.name:
        script, role = Path(error.filename), ""
    line = f" on line {error.lineno}" if error.lineno else ""
    return f"{_capital(role)}{script.name} is not valid Python{line}: {error.msg}; correct it and try again."


def _capital(role: str) -> str:
    return role[:1].upper() + role[1:]


def _dependency(module: str, where: str) -> str:
    package = module.partition(".")[0]
    distribution = distribution_of(module)
    if package in sys.modules and module != package:
        return (
            f"The installed {distribution} has no module {module}, needed while {where}; "
            f"pin the version of {distribution} it was written for in the environment that replicas run in."
        )
    return (
        f"{package} is not installed, needed while {where}; "
        f"add {distribution} to the environment that replicas run in, as a line of its requirements.txt."
    )


def _missing_file(error: FileNotFoundError, where: str, files_dir: Path | None) -> str:
    missing = error.filename or str(error)
    files = list_files(files_dir) if files_dir else []
    has = f"the artifact has {', '.join(files)}" if files else "the artifact has no files"
    return f"The file {missing} was not found while {where}; {has}."


def list_files(directory: Path) -> list[str]:
    """Relative names of the first files below `directory`, sorted."""
    names = sorted(
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    more = [f"and {len(names) - LISTED_FILES} more"] if len(names) > LISTED_FILES else []
    return names[:LISTED_FILES] + more
