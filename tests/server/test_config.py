"""Settings: what is secret is neither quoted nor taken from the command line, and addresses stay as they are."""

import pytest

from hopyard.server import config
from hopyard.server.failures import Failure

SECRETS = ["token", "kafka-options", "redaction-salt", "events-url"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("KAFKA_OPTIONS", '{"sasl.password": "hunter2",}'),
        ("KAFKA_OPTIONS", '"hunter2"'),
        ("EVENTS_URL", "ftp://me:hunter2@collector/"),
        ("EVENTS_URL", "http://me:hunter2@[collector/"),
        ("EVENTS_URL", "http://me:hunter2@collector:port/"),
        ("EVENTS_URL", "http://collector/?key=hunter2 "),
        ("TOKEN", "hunter2\udce9"),
        ("REDACTION_SALT", "hunter2\udce9"),
    ],
)
def test_a_secret_that_is_wrong_is_named_and_not_quoted(name, text, monkeypatch):
    monkeypatch.setenv(f"HOPYARD_{name}", text)
    with pytest.raises(Failure) as caught:
        config.read(["iris.py"])
    assert (caught.value.code, f"HOPYARD_{name} cannot be read: " in caught.value.reason) == (
        "ConfigurationInvalid",
        True,
    )
    assert "hunter2" not in f"{caught.value}{caught.value.evidence}"


def test_a_server_that_cannot_read_a_secret_shows_it_nowhere(serve):
    server = serve(KAFKA_OPTIONS='{"sasl.password": "hunter2",}')
    failure = server.failure()
    assert (failure["code"], "HOPYARD_KAFKA_OPTIONS" in failure["reason"]) == ("ConfigurationInvalid", True)
    assert "hunter2" not in f"{failure}{server.log}"


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("words", [["--{}", "http://hunter2"], ["--{}=http://hunter2"]])
def test_a_secret_on_the_command_line_is_refused_as_others_can_read_it(name, words):
    with pytest.raises(Failure) as caught:
        config.read(["iris.py", *(word.format(name) for word in words)])
    assert f"set the variable HOPYARD_{name.replace('-', '_').upper()} in its place" in caught.value.reason
    assert "hunter2" not in caught.value.reason


def test_a_script_has_options_of_any_name_behind_two_dashes():
    assert config.read(["iris.py", "--", "--token", "x"]).arguments == ("--token", "x")


def test_help_tells_of_secrets_as_variables(capsys):
    with pytest.raises(SystemExit):
        config.read(["--help"])
    told = capsys.readouterr().out
    for name in SECRETS:
        assert f"--{name} " not in told
        assert f"HOPYARD_{name.replace('-', '_').upper()}" in told
    assert "--kafka-brokers" in told


def test_the_address_of_a_collector_keeps_its_last_character(monkeypatch):
    for name in ("EVENTS_URL", "CONTROL_URL", "FILES_URL"):
        monkeypatch.setenv(f"HOPYARD_{name}", "http://x/collect/")
    found = config.read(["iris.py"])
    assert (found.events_url, found.control_url, found.files_url) == (
        "http://x/collect/",
        "http://x/collect",
        "http://x/collect",
    )
