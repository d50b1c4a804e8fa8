"""Looks for Keras layers that carry code: a Lambda layer is Python bytecode that runs when the model loads."""

import re
from typing import BinaryIO

from worker.scanning.findings import Report

LAMBDA = re.compile(rb'"class_name"\s*:\s*"(Lambda|TFOpLambda)"')
FUNCTION = re.compile(rb'"class_name"\s*:\s*"__lambda__"')
PIECE = 4 * 1024 * 1024
OVERLAP = 128


def look(report: Report, text: bytes) -> bool:
    """Add what a model's configuration says of such layers; return whether it does."""
    if not (LAMBDA.search(text) or FUNCTION.search(text)):
        return False
    report.suspect(
        "The model has a Lambda layer: Python bytecode that runs on loading and that scanning cannot judge."
    )
    return True


def look_in_hdf5(report: Report, file: BinaryIO) -> None:
    """The same for an HDF5 file, whose attributes hold the configuration as plain text."""
    file.seek(0)
    tail = b""
    while piece := file.read(PIECE):
        if look(report, tail + piece):
            return
        tail = piece[-OVERLAP:]
