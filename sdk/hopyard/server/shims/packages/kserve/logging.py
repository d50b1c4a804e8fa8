"""`kserve.logging`: loggers by KServe's names, written by this server's logging."""

import json
import logging
import logging.config
from pathlib import Path
from typing import Any

logger = logging.getLogger("kserve")
trace_logger = logging.getLogger("kserve.trace")
KSERVE_LOGGER_NAME = "kserve"
KSERVE_TRACE_LOGGER_NAME = "kserve.trace"
KSERVE_LOG_CONFIG: dict[str, Any] = {"version": 1, "disable_existing_loggers": False}


def configure_logging(log_config: dict[str, Any] | str | None = None) -> None:
    """Apply a logging configuration: a dict, the path of a .json, .yaml or fileConfig file, or nothing at all."""
    if log_config is None:
        return
    if isinstance(log_config, dict):
        logging.config.dictConfig(log_config)
        return
    path = Path(log_config)
    if path.suffix == ".json":
        logging.config.dictConfig(json.loads(path.read_text()))
    elif path.suffix in (".yaml", ".yml"):
        import yaml

        logging.config.dictConfig(yaml.safe_load(path.read_text()))
    else:
        logging.config.fileConfig(log_config, disable_existing_loggers=False)
