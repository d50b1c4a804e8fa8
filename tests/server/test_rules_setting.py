"""Rules of redaction that nobody can read are refused when the server starts, not when the first call is logged."""

import pytest

from hopyard.server import config
from hopyard.server.failures import Failure


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ('[{"field": "name", "action": "burn"}]', "action is one of"),
        ('[{"pattern": "("}]', "no regular expression"),
        ('["name"]', "JSON list of objects"),
    ],
)
def test_rules_that_cannot_be_read_are_refused(monkeypatch, rules, why):
    monkeypatch.setenv("HOPYARD_REDACTION", rules)
    with pytest.raises(Failure) as caught:
        config.read([])
    assert "HOPYARD_REDACTION" in str(caught.value)
    assert why in str(caught.value)
