"""How Kafka is reached, looked at before anything is started."""

from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment
from serving.topics import kafka_options


def read(env: Environment) -> dict[str, str]:
    """HOPYARD_KAFKA_OPTIONS: `name=value,...`, by librdkafka's names."""
    found = env.pairs("KAFKA_OPTIONS", "")
    try:
        kafka_options.translated(found)
    except ValueError as error:
        raise ImproperlyConfigured(f"HOPYARD_KAFKA_OPTIONS: {error}.") from None
    return found
