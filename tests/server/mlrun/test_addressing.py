"""A message says itself which model it is for, where no URL does."""

import pytest

from hopyard.server.flavors import mlrun


@pytest.mark.parametrize(
    ("document", "path", "expected"),
    [
        ({}, "/", ("", "", "infer")),
        (None, "/v2/models", ("", "", "infer")),
        ({"model": "m"}, "/", ("m", "", "infer")),
        ({"model": "m:v2", "operation": "explain"}, "/", ("m", "v2", "explain")),
        ({"model": "m", "version": 2}, "/v2/models/", ("m", "2", "infer")),
        ({"model": "other", "operation": "predict"}, "/v2/models/m/infer", ("m", "", "predict")),
        ({"version": "v9"}, "/v2/models/m/versions/v1/infer", ("m", "v1", "infer")),
        ({}, "/v2/models/m:v1/echo/", ("m", "v1", "echo")),
    ],
)
def test_the_url_decides_about_the_model_and_the_body_about_the_operation(document, path, expected):
    assert mlrun.address(document, path) == expected
