"""Archives that are unpacked on request: what comes out, and what is refused without a trace."""

import bz2
import gzip
import html
import lzma
import random
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from models_registry.models import Blob, ModelVersion, ProjectFile, RegisteredModel
from tests.conftest import People
from tests.models_registry import crafted
from tests.models_registry.crafted import member, tarred, zipped

FILES = {"iris/model.pkl": b"weights" * 100, "iris/src/predictor.py": b"print()", "README": b""}
ENTRIES = tuple(FILES.items())
NOISE = random.Random(4).randbytes(70_000)  # spans several blocks and does not pack
Send = Callable[..., str]


@pytest.fixture
def bob(people: People, browser_of: Callable[..., Client]) -> Client:
    return browser_of(people.bob)


@pytest.fixture
def send(bob: Client) -> Send:
    """Upload an archive to Resources/ with the box ticked; return what the page says of it."""

    def post(name: str, data: bytes, **fields: str) -> str:
        form = {"file": SimpleUploadedFile(name, data), "unpack": "on", **fields}
        answer = bob.post("/projects/garden/resources/", form, follow=True)
        return " ".join(
            re.findall(r'class="(?:errorlist|message).*?</(?:ul|p|li|div)>', page(answer), re.DOTALL)
        )

    return post


def page(answer: HttpResponse) -> str:
    return html.unescape(answer.content.decode())


def kept() -> dict[str, int]:
    return {file.path: file.blob.size for file in ProjectFile.objects.select_related("blob")}


@pytest.fixture
def leaves_nothing(settings) -> Callable[[], bool]:
    """Whether no row and no file is there that was not before."""

    def files() -> set[Path]:
        return {path for path in settings.BLOB_DIR.rglob("*") if path.is_file()}

    before = files()
    return lambda: not (ProjectFile.objects.exists() or Blob.objects.exists() or files() - before)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("iris.zip", zipped(*ENTRIES)),
        ("stored.zip", zipped(*ENTRIES, method=zipfile.ZIP_STORED)),
        ("iris.tar", tarred(*ENTRIES)),
        ("gnu.tar", tarred(*ENTRIES, kind=tarfile.GNU_FORMAT)),
        ("iris.tar.gz", tarred(*ENTRIES, mode="w:gz")),
        ("iris.tgz", gzip.compress(tarred(*ENTRIES)[:1000]) + gzip.compress(tarred(*ENTRIES)[1000:])),
        ("iris.tar.bz2", tarred(*ENTRIES, mode="w:bz2")),
        ("iris.tar.xz", tarred(*ENTRIES, mode="w:xz")),
        ("padded.txz", lzma.compress(tarred(*ENTRIES)) + bytes(8)),
        ("WRONG.TAR", zipped(*ENTRIES)),
    ],
    ids=lambda part: part if isinstance(part, str) else "",  # bytes with a time in them name no test
)
def test_an_archive_comes_out_with_the_folders_it_has(name: str, data: bytes, send: Send) -> None:
    assert "Kept Resources/data/" in send(name, data, folder="data")
    assert kept() == {f"Resources/data/{path}": len(content) for path, content in FILES.items()}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_bytes_come_out_as_they_went_in(pack: crafted.Packer, send: Send, bob: Client) -> None:
    long = "/".join(["folder" * 10] * 3) + "/weights.bin"
    send("a.zip" if pack is zipped else "a.tar", pack((long, NOISE), ("ä.txt", b"1")))
    assert bob.get(f"/projects/garden/files/Resources/{long}").getvalue() == NOISE
    assert bob.get("/projects/garden/files/Resources/ä.txt").getvalue() == b"1"


def test_folders_dots_and_what_macos_adds_are_left_out(send: Send) -> None:
    folder = tarfile.TarInfo("./empty")
    folder.type = tarfile.DIRTYPE
    root = tarfile.TarInfo("./")
    root.type = tarfile.DIRTYPE
    send("a.tar", tarred(root, folder, ("./model.pkl", b"x"), ("__MACOSX/._model.pkl", b"y")))
    assert list(kept()) == ["Resources/model.pkl"]


def test_an_archive_in_an_archive_stays_one(send: Send) -> None:
    inner = zipped(("deep.txt", b"x"))
    send("outer.zip", zipped(("inner.zip", inner)))
    assert kept() == {"Resources/inner.zip": len(inner)}


def test_without_the_box_an_archive_is_a_file(bob: Client) -> None:
    bob.post("/projects/garden/resources/", {"file": SimpleUploadedFile("a.zip", zipped(*ENTRIES))})
    assert list(kept()) == ["Resources/a.zip"]


def test_an_export_unpacks_into_the_version(bob: Client) -> None:
    form = {
        "name": "iris",
        "file": [SimpleUploadedFile("a.zip", zipped(*ENTRIES)), SimpleUploadedFile("notes.txt", b"x")],
        "unpack": "on",
    }
    assert bob.post("/projects/garden/export/", form).status_code == 302
    version = ModelVersion.objects.get()
    assert {file.path for file in version.files.all()} == {*FILES, "notes.txt"}


def test_a_refused_archive_takes_the_whole_export_with_it(
    bob: Client, leaves_nothing: Callable[[], bool]
) -> None:
    bad = zipped(("fine.txt", b"fine"), ("../../etc/cron.d/evil", b"x"))
    form = {
        "name": "iris",
        "file": [SimpleUploadedFile("notes.txt", b"x"), SimpleUploadedFile("a.zip", bad)],
        "unpack": "on",
    }
    answer = bob.post("/projects/garden/export/", form)
    assert answer.status_code == 400
    assert "must stay inside its folder" in answer.content.decode()
    assert leaves_nothing()
    assert not RegisteredModel.objects.exists()


def test_a_refused_archive_takes_back_only_bytes_that_were_new(send: Send) -> None:
    send("mine.txt", b"mine")
    assert "stay inside its folder" in send("a.zip", zipped(("a", b"mine"), ("b", b"new"), ("../c", b"x")))
    assert kept() == {"Resources/mine.txt": 4}
    assert [blob.size for blob in Blob.objects.all()] == [4]


BAD_NAMES = {
    "absolute": ("/etc/passwd", "is absolute"),
    "parent": ("a/../../b", "must stay inside its folder"),
    "parent first": ("../b", "must stay inside its folder"),
    "dot": ("a/./b", "must stay inside its folder"),
    "empty part": ("a//b", "must stay inside its folder"),
    "backslash": ("..\\..\\b", "with forward slashes"),
    "drive": ("C:/Windows/b", "names a drive"),
    "drive relative": ("c:b", "names a drive"),
    "newline": ("a\nb", "may not hold control characters"),
    "long": ("x" * 201, "choose a shorter file name"),
    "very long": ("/".join(["abcdefghi"] * 60), "at most 500 characters"),
    "deep": ("/".join("abcdefghijklmnopqrstuvwxyz"), "folders deep"),
}


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(("name", "sentence"), BAD_NAMES.values(), ids=BAD_NAMES)
def test_a_bad_name_is_refused(
    name: str, sentence: str, pack: crafted.Packer, send: Send, leaves_nothing: Callable[[], bool]
) -> None:
    said = send("a.zip" if pack is zipped else "a.tar", pack(("good.txt", b"good"), (name, b"bad")))
    assert sentence in said
    assert leaves_nothing()


PAIRS = {
    "twice": ("a.pkl", "a.pkl", "comes twice"),
    "case": ("Model.pkl", "model.pkl", "differ only in case"),
    "case of a folder's file": ("Src/a.py", "src/A.py", "differ only in case"),
    "sharp s": ("straße", "STRASSE", "differ only in case"),
    "spelling": ("caf\u00e9", "cafe\u0301", "comes twice"),
    "file then folder": ("a", "a/b", "a file and a folder at once"),
    "folder then file": ("a/b", "a", "a file and a folder at once"),
    "folder in other case": ("A", "a/b", "a file and a folder at once"),
}


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(("one", "two", "sentence"), PAIRS.values(), ids=PAIRS)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_do_not_go_together_are_refused(
    one: str, two: str, sentence: str, pack: crafted.Packer, send: Send, leaves_nothing: Callable[[], bool]
) -> None:
    said = send("a.zip" if pack is zipped else "a.tar", pack((one, b"1"), (two, b"2")))
    assert sentence in said
    assert leaves_nothing()


CRAFTED = {
    "zip symlink": ("a.zip", crafted.zip_kind("a", stat.S_IFLNK | 0o777), "is a link or a device"),
    "zip device": ("a.zip", crafted.zip_kind("a", stat.S_IFCHR | 0o666), "is a link or a device"),
    "zip fifo": ("a.zip", crafted.zip_kind("a", stat.S_IFIFO | 0o666), "is a link or a device"),
    "zip folder with bytes": ("a.zip", zipped(("a/", b"x")), "a file and a folder at once"),
    "zip encrypted": ("a.zip", crafted.encrypted(), "is encrypted"),
    "zip with bzip2": ("a.zip", zipped(("a", b"x"), method=zipfile.ZIP_BZIP2), "with “deflate”"),
    "zip that says less": ("a.zip", crafted.lying(b"x" * 1000, 10), "is not the 10 bytes"),
    "zip that says less and checks": (
        "a.zip",
        crafted.lying(b"x" * 1000, 10, right_checksum_of=b"x" * 10),
        "is not the 10 bytes",
    ),
    "zip that says more": ("a.zip", crafted.lying(b"x" * 1000, 2000), "is not the 2000 bytes"),
    "zip with a wrong checksum": (
        "a.zip",
        crafted.lying(b"x" * 9, 9, right_checksum_of=b"y"),
        "is not the 9 bytes",
    ),
    "zip with two names for one": ("a.zip", crafted.renamed_in_directory(), "calls one entry"),
    "zip of one entry named often": ("a.zip", crafted.overlapping(), "comes twice"),
    "zip of quoted entries": ("a.zip", crafted.quoted(), "overlap"),
    "zip cut off": ("a.zip", crafted.cut(zipped(*ENTRIES)), "is damaged"),
    "zip of nothing": ("a.zip", zipped(), "holds no files"),
    "tar symlink": ("a.tar", member("a", tarfile.SYMTYPE, linkname="/etc/passwd"), "is a link"),
    "tar hard link": ("a.tar", member("a", tarfile.LNKTYPE, linkname="/etc/passwd"), "is a link"),
    "tar character device": ("a.tar", member("a", tarfile.CHRTYPE), "is a device, a pipe or sparse"),
    "tar block device": ("a.tar", member("a", tarfile.BLKTYPE), "is a device, a pipe or sparse"),
    "tar fifo": ("a.tar", member("a", tarfile.FIFOTYPE), "is a device, a pipe or sparse"),
    "tar sparse": ("a.tar", member("a", tarfile.GNUTYPE_SPARSE), "is a device, a pipe or sparse"),
    "tar unknown kind": ("a.tar", member("a", b"Z"), "is a device, a pipe or sparse"),
    "tar pax sparse": ("a.tar", crafted.pax(**{"GNU.sparse.major": "1"}), "sparse"),
    "tar pax path outside": ("a.tar", crafted.pax(path="../../evil"), "must stay inside"),
    "tar pax negative size": ("a.tar", crafted.pax(size="-5"), "has the size"),
    "tar pax size beyond the end": ("a.tar", crafted.pax(size="99999999"), "ends within"),
    "tar pax bytes that are no text": ("a.tar", crafted.pax(path="a\udcff"), "control characters"),
    "tar header of 8 GB": ("a.tar", crafted.header_of_size(tarfile.XHDTYPE, 2**33), "absurd size"),
    "tar long name of 8 GB": (
        "a.tar",
        crafted.header_of_size(tarfile.GNUTYPE_LONGNAME, 2**33),
        "absurd size",
    ),
    "tar of chained headers": ("a.tar", crafted.chained(tarfile.GNUTYPE_LONGNAME, 2000), "too many headers"),
    "tar broken pax": (
        "a.tar",
        crafted.broken_pax(),
        "damaged",
    ),
    "tar cut off": ("a.tar", crafted.cut(tarred(("a", b"x" * 5000)), 0.3), "ends within"),
    "tar.gz cut off": ("a.tar.gz", crafted.cut(tarred(("a", NOISE), mode="w:gz")), "is damaged"),
    "tar.xz cut off": ("a.tar.xz", crafted.cut(tarred(("a", NOISE), mode="w:xz")), "is damaged"),
    "tar.bz2 cut off": ("a.tar.bz2", crafted.cut(tarred(("a", NOISE), mode="w:bz2")), "is damaged"),
    "tar.gz with a flipped bit": (
        "a.tar.gz",
        gzip.compress(tarred(("a", NOISE)))[:-6] + b"xxxxxx",
        "is damaged",
    ),
    "gzip that is no tar": ("a.tar.gz", gzip.compress(b"a,b\n" * 1000), "no zip and no tar"),
    "text": ("a.zip", b"hello " * 200, "no zip and no tar"),
    "nothing": ("a.zip", b"", "ends within"),
    "tar of nothing": ("a.tar", tarred(), "holds no files"),
    "xz that wants memory": (
        "a.tar.xz",
        lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2**30}]),
        "is damaged",
    ),
}


@pytest.mark.parametrize(("name", "data", "sentence"), CRAFTED.values(), ids=CRAFTED)
def test_a_crafted_archive_is_refused(
    name: str, data: bytes, sentence: str, send: Send, leaves_nothing: Callable[[], bool]
) -> None:
    assert sentence in send(name, data)
    assert leaves_nothing()


BOMB = bytes(80 * 1024 * 1024)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.zip", zipped(("zeros", BOMB))),
        ("a.tar.gz", gzip.compress(tarred(("zeros", BOMB)), 9)),
        ("a.tar.bz2", bz2.compress(tarred(("zeros", BOMB)))),
        ("a.tar.gz", gzip.compress(tarred(*((f"{n}/zeros", BOMB[: 2**20]) for n in range(70))))),
    ],
    ids=["zip", "gz", "bz2", "many"],
)
def test_a_bomb_is_refused_by_its_ratio(
    name: str, data: bytes, send: Send, leaves_nothing: Callable[[], bool]
) -> None:
    assert "more than 100 times its size" in send(name, data)
    assert leaves_nothing()


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("MAX_UPLOAD_BYTES", 1024, "is larger than"),
        ("ARCHIVE_MAX_BYTES", 1024, "unpacks to more than"),
        ("ARCHIVE_MAX_FILES", 2, "more than 2 entries"),
        ("ARCHIVE_MAX_DEPTH", 1, "more than 1 folders deep"),
    ],
)
def test_the_settings_bound_what_comes_out(
    setting: str,
    value: int,
    sentence: str,
    pack: crafted.Packer,
    settings,
    send: Send,
    leaves_nothing: Callable[[], bool],
) -> None:
    setattr(settings, setting, value)
    data = pack(("a/b", bytes(2000)), ("c", b"1"), ("d", b"2"))
    assert sentence in send("a.zip" if pack is zipped else "a.tar", data)
    assert leaves_nothing()


def test_a_directory_too_large_to_read_is_refused_unread(
    settings, send: Send, leaves_nothing: Callable[[], bool]
) -> None:
    settings.ARCHIVE_MAX_FILES = 100
    assert "too many entries" in send("a.zip", crafted.overlapping(60_000))
    assert leaves_nothing()


@pytest.mark.parametrize(
    ("name", "empty"),
    [("a.tar.gz", gzip.compress(b"")), ("a.tar.bz2", bz2.compress(b"")), ("a.tar.xz", lzma.compress(b""))],
    ids=["gz", "bz2", "xz"],
)
def test_very_many_pieces_of_compression_are_refused(
    name: str, empty: bytes, send: Send, leaves_nothing: Callable[[], bool]
) -> None:
    assert "more than 50000 separate pieces" in send(name, empty * 50_001)
    assert leaves_nothing()
