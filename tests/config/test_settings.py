"""Settings from the environment: what is wrong stops the start and is named."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, override_settings
from django.urls import path

from config.environment import Environment

ROOT = Path(__file__).parents[2]


def test_a_number_below_the_least_is_refused_in_words() -> None:
    env = Environment({"HOPYARD_FILES_URL_SECONDS": "60", "HOPYARD_OTHER": "x"})
    with pytest.raises(
        ImproperlyConfigured, match="HOPYARD_FILES_URL_SECONDS is 60; write a whole number from 360"
    ):
        env.number("FILES_URL_SECONDS", 900, least=360)
    assert env.number("FILES_URL_SECONDS", 900, least=60) == 60
    with pytest.raises(ImproperlyConfigured, match="write a whole number"):
        env.number("OTHER", 1)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "900"),
        ({"HOPYARD_START_TIMEOUT_SECONDS": "3600"}, "3900"),
        ({"HOPYARD_START_TIMEOUT_SECONDS": "100", "HOPYARD_FILES_URL_SECONDS": "160"}, "160"),
        (
            {"HOPYARD_FILES_URL_SECONDS": "60"},
            "HOPYARD_FILES_URL_SECONDS is 60; write a whole number from 360.",
        ),
    ],
)
def test_the_address_of_files_outlives_the_start_of_a_replica(
    variables: dict[str, str], said: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from config import settings; print(settings.FILES_URL_SECONDS)"],
        check=False,
        cwd=ROOT / "platform",
        env=os.environ | {"HOPYARD_DATA_DIR": str(tmp_path)} | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said in (done.stdout + done.stderr).splitlines()[-1]


def breaks(request: object) -> None:
    raise RuntimeError("a fault of the platform")


urlpatterns = [path("inference/breaks/", breaks)]


@pytest.mark.django_db
@override_settings(ROOT_URLCONF=__name__)
def test_a_fault_on_the_way_of_a_prediction_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "django.request"):
        assert Client(raise_request_exception=False).get("/inference/breaks/").status_code == 500
    assert "a fault of the platform" in caplog.text
