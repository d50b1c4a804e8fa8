from pathlib import Path

import pytest
from django.conf import LazySettings


@pytest.fixture
def folder(settings: LazySettings, tmp_path: Path) -> Path:
    """Where topics are kept without Kafka."""
    settings.TOPIC_DIR = tmp_path / "topics"
    return settings.TOPIC_DIR
