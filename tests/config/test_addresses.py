"""Addresses that the API does not have are answered in its own shape, whatever the method."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import ApiKey
from tests.conftest import People

G = "/api/projects/garden"


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "url",
    [
        "/api/nothing/",
        f"{G}/models/iris/aliases/a.b/",
        f"{G}/incoming/00000000-0000-4000-8000-000000000000/chunks/-1/",
    ],
)
def test_an_unknown_address_is_a_404_in_the_shape_of_the_api(
    method: str, url: str, people: People, key_of: Callable[..., tuple[ApiKey, str]]
) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.credentials(HTTP_AUTHORIZATION=f"ApiKey {key_of(people.bob)[1]}")
    answer = client.generic(method, url, b"{}", "application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert url in answer.json()["error"]["message"]
