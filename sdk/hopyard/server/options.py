"""The command line of the server: an option for every setting that is no secret, and KServe's names for some.

Everybody on a machine can read the command lines of its processes. What is secret is taken from the environment alone,
and an option of its name is refused: a server that passed over `--token` would answer anybody.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from hopyard.server import texts
from hopyard.server.failures import Failure

# What KServe calls these on its command line; its remaining options are the script's own.
KSERVE_OPTIONS = {
    "--http_port": "port",
    "--grpc_port": "grpc_port",
    "--workers": "workers",
    "--max_asyncio_workers": "max_concurrency",
    "--enable_grpc": "enable_grpc",
    "--enable_latency_logging": "latency_logging",
    "--model_name": "model_name",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """How a field of `Config` is parsed and described; `env` where its variable has another name. What `is_secret` is
    never quoted.
    """

    about: str
    parse: Callable[[str], Any] = texts.text
    env: str = ""
    is_secret: bool = False


def parse(setting: Setting, text: str) -> Any:
    """The value of a setting. Raises Failure ConfigurationInvalid."""
    try:
        return setting.parse(text)
    except ValueError as error:
        what = "cannot be read" if setting.is_secret else f"is {text!r}"
        raise invalid(f"{setting.env} {what}: {error}") from None


def invalid(reason: str) -> Failure:
    return Failure("ConfigurationInvalid", f"{reason}.")


def given(argv: Sequence[str], settings: Mapping[str, Setting]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The texts of the settings that the command line names, and its words that a script could have meant for itself:
    KServe's options, and any that are not ours. Raises Failure ConfigurationInvalid.
    """
    _refuse_secrets(argv, settings)
    known, unknown = _parser(settings).parse_known_args(argv)
    found = {name: text for name, text in vars(known).items() if text is not None}
    return found, _of_script(argv, unknown)


def _refuse_secrets(argv: Sequence[str], settings: Mapping[str, Setting]) -> None:
    secrets = {_option(name): setting.env for name, setting in settings.items() if setting.is_secret}
    ours = argv[: argv.index("--")] if "--" in argv else argv
    for word in ours:
        option = word.partition("=")[0]
        if option in secrets:
            raise invalid(
                f"{option} is a secret, which everybody on this machine could read on the command line; set the "
                f"variable {secrets[option]} in its place"
            )


def _of_script(argv: Sequence[str], unknown: Sequence[str]) -> tuple[str, ...]:
    words, mine = list(unknown), list(argv)
    for number, word in enumerate(mine):
        option, _, value = word.partition("=")
        if option in KSERVE_OPTIONS and word not in words:
            words += [option, value or (mine[number + 1] if number + 1 < len(mine) else "")]
    return tuple(word for word in words if word != "--")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise invalid(f"the command line is wrong: {message}")


def _parser(settings: Mapping[str, Setting]) -> argparse.ArgumentParser:
    secrets = ", ".join(setting.env for setting in settings.values() if setting.is_secret)
    parser = _Parser(
        prog="python -m hopyard.server",
        description="Serve a script.",
        epilog=f"Variables without an option, as they may hold secrets: {secrets}.",
        allow_abbrev=False,
    )
    other_names: dict[str, list[str]] = {}
    for option, name in KSERVE_OPTIONS.items():
        other_names.setdefault(name, []).append(option)
    for name, setting in settings.items():
        about = f"{setting.about} [{setting.env}]"
        if name == "script":
            parser.add_argument("script", nargs="?", help=about)
        elif not setting.is_secret:
            names = dict.fromkeys((_option(name), *other_names.get(name, ())))
            parser.add_argument(*names, dest=name, help=about)
    return parser


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
