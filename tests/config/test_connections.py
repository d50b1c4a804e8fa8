"""How database and broker URLs become settings."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import brokers, databases


def test_a_postgres_url_may_have_any_characters_and_options() -> None:
    found = databases.from_url("postgres://ho%40p:a%2Fb%3A@db.example:6432/my%20data?sslmode=require")
    assert found["ENGINE"] == "django.db.backends.postgresql"
    assert (found["USER"], found["PASSWORD"], found["NAME"]) == ("ho@p", "a/b:", "my data")
    assert (found["HOST"], found["PORT"]) == ("db.example", "6432")
    assert found["OPTIONS"]["sslmode"] == "require"
    assert found["OPTIONS"]["connect_timeout"]


def test_a_postgres_url_without_a_password_leaves_it_to_the_client_library() -> None:
    assert databases.from_url("postgres://hopyard@db/hopyard")["PASSWORD"] == ""


def test_another_database_is_refused_with_a_sentence() -> None:
    with pytest.raises(ImproperlyConfigured, match="must start with"):
        databases.from_url("mysql://db/hopyard")


@pytest.mark.parametrize("url", ["redis://:secret@redis:6379/0", "rediss://redis/1"])
def test_what_a_killed_worker_took_along_comes_back_from_redis_within_a_minute(url: str) -> None:
    assert brokers.options(url)["visibility_timeout"] <= 60
    assert brokers.options(url)["socket_connect_timeout"] <= 5


def test_other_brokers_keep_their_own_options() -> None:
    assert brokers.options("memory://") == {}
