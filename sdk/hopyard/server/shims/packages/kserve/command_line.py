"""The options of a script that starts a ModelServer, parsed from its own command line."""

import argparse
import sys
from functools import cache

from .constants.constants import DEFAULT_GRPC_PORT, DEFAULT_HTTP_PORT, MAX_GRPC_MESSAGE_LENGTH
from .utils.words import strtobool

_WHOLE: dict[str, tuple[int | None, str]] = {
    "http_port": (DEFAULT_HTTP_PORT, "The port that HTTP is served on."),
    "grpc_port": (DEFAULT_GRPC_PORT, "The port that gRPC is served on."),
    "workers": (1, "The number of server processes."),
    "max_threads": (4, "The number of gRPC threads; has no effect here."),
    "max_asyncio_workers": (None, "The number of threads for sync handlers."),
    "timeout_keep_alive": (65, "Seconds that an idle connection is kept."),
    "predictor_request_timeout_seconds": (600, "Seconds that the predictor may take."),
    "predictor_request_retries": (0, "How often a failed call of the predictor is made again."),
    "grpc_max_send_message_length": (MAX_GRPC_MESSAGE_LENGTH, "Bytes of the largest gRPC answer."),
    "grpc_max_receive_message_length": (MAX_GRPC_MESSAGE_LENGTH, "Bytes of the largest gRPC request."),
}
_TRUTHS: dict[str, tuple[bool, str]] = {
    "enable_grpc": (True, "Serve gRPC."),
    "enable_docs_url": (False, "Serve pages about the API at /docs."),
    "enable_latency_logging": (False, "Log the seconds of each stage of each request."),
    "configure_logging": (True, "Configure the loggers."),
    "predictor_use_ssl": (False, "Talk TLS to the predictor."),
}
_TEXTS: dict[str, tuple[str | None, str]] = {
    "model_name": ("model", "The name that the script gives its model."),
    "predictor_host": (None, "host:port of the predictor of a transformer."),
    "log_config_file": (None, "A file that configures logging."),
    "access_log_format": (None, "Has no effect here."),
    "event_loop": ("auto", "Has no effect here."),
    "ssl_certfile": (None, "Has no effect here: TLS ends before this server."),
    "ssl_keyfile": (None, "Has no effect here: TLS ends before this server."),
}
_PROTOCOLS = ("v1", "v2", "grpc-v2")


@cache
def parser() -> argparse.ArgumentParser:
    """Return the parser, made to be a parent of the script's own. Dashes do where there are underscores."""
    made = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name, (number, about) in _WHOLE.items():
        made.add_argument(*_flags(name), default=number, type=int, help=about)
    for name, (truth, about) in _TRUTHS.items():
        made.add_argument(*_flags(name), default=truth, type=_truth, help=about)
    for name, (text, about) in _TEXTS.items():
        made.add_argument(*_flags(name), default=text, help=about)
    for name in ("predictor_protocol", "protocol"):
        made.add_argument(
            *_flags(name), default="v1", choices=_PROTOCOLS, help="How to talk to the predictor."
        )
    made.add_argument(
        *_flags("enable_predictor_health_check"), action="store_true", help="Be ready when the predictor is."
    )
    return made


@cache
def args() -> argparse.Namespace:
    """Return the options of this process; those of the script itself are not looked at."""
    return parser().parse_known_args(sys.argv[1:])[0]


def _flags(name: str) -> list[str]:
    return list(dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}")))


def _truth(word: str) -> bool:
    try:
        return strtobool(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
