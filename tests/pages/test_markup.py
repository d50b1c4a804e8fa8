"""What every page must and must not hold."""

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import Client

from serving.models import Serving
from tests.pages.conftest import Pages
from tests.pages.test_access import FOR_OWNERS, FOR_WRITERS, SEEN_BY_ALL

VENDOR = Path(settings.BASE_DIR) / "static" / "vendor"
PAGES = [
    path
    for path in [*SEEN_BY_ALL, *FOR_WRITERS, *FOR_OWNERS]
    if "download" not in path and "files/" not in path
]


class Markup(HTMLParser):
    """Collects what our rules are about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.labelled: set[str] = set()
        self.inputs: list[dict[str, str | None]] = []
        self.headings = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.faults += [
            f"{tag} {name}" for name in given if name == "style" or name.startswith(("on", "hx-on"))
        ]
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.faults.append(f"inline {tag}")
        if tag == "a" and "hx-get" in given and not given.get("href"):
            self.faults.append("hx-get without href")
        if given.get("id"):
            self.ids.append(given["id"] or "")
        if tag == "label" and given.get("for"):
            self.labelled.add(given["for"] or "")
        if tag in {"input", "select", "textarea"} and given.get("type") not in {"hidden", "checkbox"}:
            self.inputs.append(given)
        self.headings += tag == "h1"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_keeps_to_the_policy_and_names_its_parts(running: Serving, alice: Pages, path: str) -> None:
    response = alice.get(path)
    markup = Markup(response.content.decode())
    assert markup.faults == []
    assert len(markup.ids) == len(set(markup.ids))
    assert all(given.get("id") in markup.labelled for given in markup.inputs)
    assert markup.headings == 1
    assert "default-src 'self'" in response["Content-Security-Policy"]


def test_no_two_pages_share_a_title(running: Serving, alice: Pages) -> None:
    titles = [re.search(r"<title>(.*?)</title>", alice.get(path).content.decode()) for path in PAGES]
    found = [title[1] for title in titles if title]
    assert len(found) == len(set(found)) == len(PAGES)


@pytest.mark.parametrize("name", ["400.html", "403.html", "403_csrf.html", "404.html", "500.html"])
def test_an_error_page_needs_neither_context_nor_database(name: str) -> None:
    markup = Markup(render_to_string(name))
    assert (markup.faults, markup.headings) == ([], 1)


def test_a_form_without_its_token_gets_a_sentence(running: Serving, alice: Pages) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = alice.client.cookies
    response = client.post("/projects/garden/servings/Iris/stop/")
    assert response.status_code == 403
    assert b"The form has expired" in response.content


def test_vendored_files_are_what_their_authors_published() -> None:
    lines = (VENDOR / "SHA256SUMS").read_text().splitlines()
    summed = {name: digest for digest, name in (line.split() for line in lines)}
    present = {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert summed.keys() == present
    for name, digest in summed.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
