"""Says what kind of text a file is: XGBoost's or LightGBM's model, JSON, Python, a table, or just text."""

import ast
import json
import re
import warnings
from typing import BinaryIO

from worker.scanning import keras
from worker.scanning.findings import Nature, Report

SAMPLE = 1024 * 1024
MOST_JSON = 64 * 1024 * 1024
XGBOOST = re.compile(rb'\s*\{\s*"(learner|version)"\s*:')
CODE_NODES = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.With,
    ast.For,
    ast.If,
)


def scan(file: BinaryIO) -> Report | None:
    """The report of a text in UTF-8, or None if it is none."""
    file.seek(0)
    sample = file.read(SAMPLE)
    if not _is_text(sample):
        return None
    if sample.startswith(b"tree\nversion=v"):
        return Report("LightGBM text", Nature.SAFE)
    if sample.lstrip()[:1] in {b"{", b"["}:
        return _json(file, sample)
    if sample.startswith(b"#!") and b"python" not in sample[:80]:
        return Report("script", Nature.CODE)
    if len(sample) < SAMPLE and _is_python(sample):
        return Report("Python source", Nature.CODE)
    return Report("table" if _is_table(sample) else "text", Nature.SAFE)


def _is_text(sample: bytes) -> bool:
    try:
        text = sample.decode()
    except UnicodeDecodeError as error:
        if error.start < len(sample) - 4 or len(sample) < SAMPLE:
            return False
        text = sample[: error.start].decode()
    return not any(ord(each) < 32 and each not in "\t\r\n\f" for each in text[:65536])


def _json(file: BinaryIO, sample: bytes) -> Report:
    if XGBOOST.match(sample) and b'"learner"' in sample:
        return Report("XGBoost JSON", Nature.SAFE)
    file.seek(0)
    text = file.read(MOST_JSON)
    try:
        json.loads(text)
        report = Report("JSON", Nature.SAFE)
    except (ValueError, RecursionError):
        is_python = len(text) < SAMPLE and _is_python(text)
        report = Report("Python source", Nature.CODE) if is_python else Report("text", Nature.SAFE)
    keras.look(report, text)
    return report


def _is_python(text: bytes) -> bool:
    """Whether it parses as Python and does something; parsing runs nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    calls = [each for each in tree.body if isinstance(each, ast.Expr) and isinstance(each.value, ast.Call)]
    return bool(calls) or any(isinstance(each, CODE_NODES) for each in tree.body)


def _is_table(sample: bytes) -> bool:
    """Whether the first lines have the same number of cells."""
    lines = sample.decode(errors="replace").splitlines()[:5]
    for separator in ",;\t":
        counts = {line.count(separator) for line in lines}
        if len(lines) > 1 and len(counts) == 1 and counts != {0}:
            return True
    return False
