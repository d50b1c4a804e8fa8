"""Files that would create another file if anybody loaded them, in every wrapping we know of, and traps for parsers."""

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from typing import Any


class Touches:
    """Creates a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def npy(described: str, data: bytes) -> bytes:
    header = f"{{'descr': {described}, 'fortran_order': False, 'shape': (1,), }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def safetensors(data: bytes, *, claimed: int | None = None) -> bytes:
    size = len(data) if claimed is None else claimed
    header = json.dumps({"w": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + data


def onnx() -> bytes:
    """A model of version 8 with a graph named g and the standard operators 13."""
    graph = b"\x12\x01g"
    return b"\x08\x08\x12\x01h" + b"\x3a" + bytes([len(graph)]) + graph + b"\x42\x02\x10\x0d"


def skops(module: str, name: str) -> bytes:
    schema = {
        "__class__": "LogisticRegression",
        "__module__": "sklearn.linear_model._logistic",
        "__loader__": "ObjectNode",
        "content": {"__class__": name, "__module__": module, "__loader__": "TypeNode"},
        "protocol": 2,
    }
    return zipped({"schema.json": json.dumps(schema).encode(), "1.npy": npy("'<f8'", bytes(8))})


def lz4_frame(data: bytes) -> bytes:
    """One block that is stored as it is, which the format allows."""
    return b"\x04\x22\x4d\x18\x40\x40\xc0" + struct.pack("<I", len(data) | 0x80000000) + data + bytes(4)


def wrappings(path: str) -> dict[str, bytes]:
    """The same harmful pickle, wrapped."""
    poison = pickle.dumps(Touches(path))
    found = {f"protocol {number}": pickle.dumps(Touches(path), number) for number in range(6)}
    found |= {
        "gzip": gzip.compress(poison),
        "bzip2": bz2.compress(poison),
        "xz": lzma.compress(poison),
        "lzma": lzma.compress(poison, lzma.FORMAT_ALONE),
        "zlib": zlib.compress(poison),
        "old joblib": b"ZF" + hex(len(poison)).ljust(19).encode() + zlib.compress(poison),
        "two gzip members": gzip.compress(pickle.dumps(1)) + gzip.compress(poison),
        "LZ4": lz4_frame(poison),
        "torch": zipped({"archive/data.pkl": poison, "archive/version": b"3", "archive/data/0": bytes(64)}),
        "stored torch": zipped({"archive/data.pkl": poison}, zipfile.ZIP_STORED),
        "npz": zipped({"a.npy": npy("'|O'", poison)}),
        "npy": npy("'|O'", poison),
        "npy of records": npy("[('a', '<f8'), ('b', '|O')]", poison),
        "keras": zipped({"config.json": b"{}", "metadata.json": b"{}", "model.weights.h5": poison}),
        "nested": zipped({"a.zip": zipped({"b.pt": zipped({"archive/data.pkl": gzip.compress(poison)})})}),
        "tar": tarred({"x.pkl": poison}),
        "tar.gz": gzip.compress(tarred({"x.pkl": poison})),
        "after a pickle": pickle.dumps({"a": 1}) + poison,
        "after junk": b"\x00\x01junk" * 50 + poison,
        "after trailing bytes": pickle.dumps({"a": 1}) + bytes(100) + poison,
        "cut off": poison[:-3],
        "broken behind": poison[:-1] + b"\xff\xff\xff",
        "zip appended": poison + zipped({"a.txt": b"x"}),
        "appended to an image": b"\x89PNG\r\n\x1a\n" + bytes(64) + zipped({"archive/data.pkl": poison}),
        "behind safetensors": safetensors(bytes(8)) + poison,
    }
    return found


TRICKS = {
    "INST": b"(S'id'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'id'\no.",
    "NEWOBJ_EX": b"\x80\x04cos\nsystem\n)}\x92.",
    "names from the memo": b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x30\x30h\x00h\x01\x93\x8c\x02id\x85R.",
    "names from PUT": b"\x80\x04\x8c\x02osq\x07\x30\x8c\x06systemr\x08\x00\x00\x000h\x07j\x08\x00\x00\x00\x93)R.",
    "a computed name": b"\x80\x04cbuiltins\nstr\n\x8c\x02os\x85R\x8c\x06system\x93\x8c\x02id\x85R.",
    "getattr": b"\x80\x04cbuiltins\ngetattr\ncos\n__dict__\n\x8c\x06system\x86R.",
    "a dotted name": b"\x80\x04\x8c\x0bcollections\x8c\x0fabc.sys.modules\x93.",
    "a dunder": b"\x80\x04\x8c\x14sklearn.linear_model\x8c\x1aRidge.__init__.__globals__\x93.",
    "an old name": b"\x80\x02ccommands\ngetoutput\nU\x02id\x85R.",
    "numpy's exec": b"\x80\x04cnumpy.testing._private.utils\nrunstring\n.",
    "a nested pickle": b"\x80\x04cpickle\nloads\nC\x02N.\x85R.",
    "torch.load": b"\x80\x04ctorch\nload\n\x8c\x01x\x85R.",
    "the scanner itself": b"\x80\x04cfickling\nhook\n.",
    "before the break": b"\x80\x04cos\nsystem\n\x8c\x02id\x85R\xfe\xfe\xfe",
    "into a text": b"cos\nsystem\n(S'id'\ntR no more of it",
}
ODDITIES = {
    "an extension": b"\x80\x02\x82\x01)R.",
    "a changed class": b"\x80\x04ccollections\nOrderedDict\n}\x8c\x08__init__N\x73b.",
    "an unused call": b"\x80\x04ccollections\nOrderedDict\n)R0N.",
    "a call of a call": b"\x80\x04ccollections\nOrderedDict\n)R)R.",
    "an empty memo": b"\x80\x04h\x05.",
    "a huge length": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fx",
    "a truncated gzip": gzip.compress(os.urandom(4096))[:2000],
    "an unread protocol": b"\x80\x04\x80\x7f.",
    "many copies": b"\x80\x04K\x01" + b"2\x86" * 3000 + b"0.",
    "an encrypted archive": zipped({"a": b"x"}).replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
    ),
    "a native library": b"\x7fELF" + bytes(200),
    "Windows code": b"MZ" + bytes(200),
    "Python bytecode": b"\xa7\x0d\r\n" + bytes(50),
    "safetensors with more": safetensors(bytes(8)) + b"more",
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(50),
    "a Lambda layer": zipped(
        {"config.json": b'{"layers": [{"class_name": "Lambda"}]}', "model.weights.h5": b"\x89HDF\r\n\x1a\n"}
    ),
    "a Lambda layer in HDF5": b'\x89HDF\r\n\x1a\n model_config {"class_name": "Lambda"}',
}
