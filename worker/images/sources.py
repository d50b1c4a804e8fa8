"""What the base image is made of: the files of its build, and the digests that name what comes of them."""

import functools
import hashlib
import io
import tarfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILES = ("Dockerfile", "pyproject.toml", "README.md", "image/*.txt", "image/builder.py", "hopyard/**/*")
OF_TOOLS = ("image/builder.py", "image/uv.txt")


@dataclass(frozen=True)
class Sources:
    """The build's files by their paths, and the image of the Python that all of it stands on."""

    files: Mapping[str, bytes]
    python: str
    python_image: str

    @functools.cached_property
    def digest(self) -> str:
        return _digest(self.python_image, self.files)

    @functools.cached_property
    def tools_digest(self) -> str:
        """Changes less often than the other, so that packages outlive a new version of the model server."""
        return _digest(self.python_image, {path: self.files[path] for path in OF_TOOLS})

    @functools.cached_property
    def version(self) -> str:
        project = tomllib.loads(self.files["pyproject.toml"].decode())["project"]
        return str(project["version"])


@functools.lru_cache(maxsize=8)
def read(folder: Path, python: str, python_image: str) -> Sources:
    """Read once in the life of a process, as the program itself is."""
    found = sorted({path for pattern in FILES for path in folder.glob(pattern) if _belongs(path, folder)})
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
    return Sources(files, python, python_image)


def archive(files: Mapping[str, bytes]) -> io.BytesIO:
    """The files as a build context, the same bytes for the same files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    packed.seek(0)
    return packed


def _belongs(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    return path.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in parts)


def _digest(python_image: str, files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256(python_image.encode())
    for path, content in sorted(files.items()):
        digest.update(f"\n{path} {hashlib.sha256(content).hexdigest()}".encode())
    return digest.hexdigest()
