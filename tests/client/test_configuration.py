"""Where the client finds its platform, key and project."""

import json
import stat
from pathlib import Path

import pytest

from hopyard.client import Client, ConfigurationError, config
from hopyard.client.config import Configuration

SAVED = Configuration("http://saved:8000", "hop_saved", "saved")


def test_the_argument_wins_over_the_environment_which_wins_over_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config.save(SAVED)
    assert config.resolve() == SAVED
    monkeypatch.setenv("HOPYARD_PROJECT", "from_environment")
    assert config.resolve().project == "from_environment"
    assert config.resolve(project="given").project == "given"
    assert config.resolve(api_key="hop_given").api_key == "hop_given"


def test_the_saved_key_is_kept_from_other_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    config.save(SAVED)
    monkeypatch.setenv("HOPYARD_URL", "http://other:8000")
    with pytest.raises(ConfigurationError, match="No API key"):
        config.resolve()


@pytest.mark.parametrize(
    ("given", "what", "variable"),
    [
        ({}, "address", "HOPYARD_URL"),
        ({"url": "http://a"}, "API key", "HOPYARD_API_KEY"),
        ({"url": "http://a", "api_key": "hop_x"}, "project", "HOPYARD_PROJECT"),
    ],
)
def test_what_is_missing_is_said_with_the_three_ways_to_give_it(
    given: dict[str, str], what: str, variable: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Client(**given)
    sentence = str(caught.value)
    assert f"No {what} to work with" in sentence
    assert "hopyard.connect" in sentence
    assert variable in sentence
    assert "hopyard login" in sentence


@pytest.mark.parametrize(
    "url", ["http://hop:8000", "http://hop:8000/", "http://hop:8000/api/", " http://hop:8000 "]
)
def test_an_address_is_taken_as_people_copy_it(url: str) -> None:
    assert config.resolve(url, "hop_x", "demo").url == "http://hop:8000"


@pytest.mark.parametrize(
    "url", ["hop:8000", "localhost", "ftp://hop", "http://", "http://hop:port", "http://[::1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not an address"):
        config.resolve(url, "hop_x", "demo")


def test_a_key_read_from_a_file_may_end_in_a_newline() -> None:
    assert config.resolve("http://hop", "hop_x\n", "demo").api_key == "hop_x"


@pytest.mark.parametrize("key", ["hop x", "hop_x\r\nX-Evil: 1", "höp"])
def test_a_key_that_would_break_the_header_is_refused(key: str) -> None:
    with pytest.raises(ConfigurationError, match="copy it again"):
        config.resolve("http://hop", key, "demo")


def test_the_file_is_for_its_owners_eyes_only() -> None:
    config.save(SAVED)
    path = config.save(SAVED)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["config.json"]


def test_the_file_is_where_the_desktop_standard_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HOPYARD_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config.path() == tmp_path / "hopyard" / "config.json"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config.path() == tmp_path / ".config" / "hopyard" / "config.json"


@pytest.mark.parametrize("content", ["", "[]", "{}", "not json", json.dumps({"url": "http://a"})])
def test_a_broken_file_is_named(content: str) -> None:
    config.save(SAVED)
    config.path().write_text(content)
    with pytest.raises(ConfigurationError, match="run `hopyard login` again"):
        config.resolve()
    assert config.forget()
    assert not config.forget()


def test_the_key_is_not_in_what_a_client_prints() -> None:
    with Client("http://hop", "hop_secret", "demo") as client:
        assert repr(client) == "Client(url='http://hop', project='demo')"
