"""Topics are asked for over REST."""

from typing import Any

from rest_framework.test import APIClient

PROJECT = "/api/projects/garden/"
TOPICS = f"{PROJECT}topics/"


def post(api: APIClient, url: str = TOPICS, status: int = 201, **body: object) -> Any:
    answer = api.post(url, body, format="json")
    assert answer.status_code == status, answer.json()
    return answer.json()
