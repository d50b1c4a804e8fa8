"""Clients that go away in the middle of an upload, over a real connection."""

import socket
from collections.abc import Callable

import pytest
from django.conf import settings

from accounts.models import ApiKey
from models_registry import services
from models_registry.models import Blob, ProjectFile
from tests.conftest import People
from tests.waiting import eventually


@pytest.mark.django_db(transaction=True)
def test_an_upload_that_breaks_off_leaves_nothing_behind(
    live_server, people: People, key_of: Callable[..., tuple[ApiKey, str]]
) -> None:
    draft = services.start_upload(access=people.access(people.bob), model_name="iris")
    head = (
        f"PUT /api/projects/garden/uploads/{draft.upload}/files/model.pkl HTTP/1.1\r\n"
        "Host: localhost\r\nConnection: close\r\n"
        f"Authorization: ApiKey {key_of(people.bob)[1]}\r\nContent-Type: application/octet-stream\r\n"
        "Content-Length: 2000000000\r\n\r\n"
    )
    with socket.create_connection((live_server.thread.host, live_server.thread.port)) as client:
        client.sendall(head.encode() + b"x" * 100_000)
        eventually(lambda: list(settings.BLOB_DIR.glob("incoming-*")))
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 400")
    assert "100000 of 2000000000 announced bytes arrived; send the file again." in answer
    assert not list(settings.BLOB_DIR.glob("incoming-*"))
    assert not ProjectFile.objects.exists()
    assert not Blob.objects.exists()
