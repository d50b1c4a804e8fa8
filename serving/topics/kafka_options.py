"""HOPYARD_KAFKA_OPTIONS: how Kafka is reached, by librdkafka's names, which replicas use as they are.

The platform itself talks to Kafka through kafka-python, whose names these are translated to.
"""

from collections.abc import Callable, Mapping
from typing import Any

KAFKA_PYTHON: dict[str, tuple[str, Callable[[str], Any]]] = {
    "client.id": ("client_id", str),
    "connections.max.idle.ms": ("connections_max_idle_ms", int),
    "metadata.max.age.ms": ("metadata_max_age_ms", int),
    "reconnect.backoff.ms": ("reconnect_backoff_ms", int),
    "reconnect.backoff.max.ms": ("reconnect_backoff_max_ms", int),
    "retry.backoff.ms": ("retry_backoff_ms", int),
    "sasl.kerberos.service.name": ("sasl_kerberos_service_name", str),
    "sasl.mechanism": ("sasl_mechanism", str.upper),
    "sasl.mechanisms": ("sasl_mechanism", str.upper),
    "sasl.password": ("sasl_plain_password", str),
    "sasl.username": ("sasl_plain_username", str),
    "security.protocol": ("security_protocol", str.upper),
    "socket.receive.buffer.bytes": ("receive_buffer_bytes", int),
    "socket.send.buffer.bytes": ("send_buffer_bytes", int),
    "ssl.ca.location": ("ssl_cafile", str),
    "ssl.certificate.location": ("ssl_certfile", str),
    "ssl.crl.location": ("ssl_crlfile", str),
    "ssl.endpoint.identification.algorithm": ("ssl_check_hostname", lambda text: text.lower() != "none"),
    "ssl.key.location": ("ssl_keyfile", str),
    "ssl.key.password": ("ssl_password", str),
}
LARGEST_MESSAGE = "message.max.bytes"
OF_REPLICAS = frozenset(
    {
        "acks",
        "batch.num.messages",
        "batch.size",
        "broker.address.family",
        "broker.address.ttl",
        "compression.codec",
        "compression.level",
        "compression.type",
        "debug",
        "delivery.timeout.ms",
        "enable.idempotence",
        "linger.ms",
        "log_level",
        "max.in.flight",
        "max.in.flight.requests.per.connection",
        "message.send.max.retries",
        "message.timeout.ms",
        "queue.buffering.max.kbytes",
        "queue.buffering.max.messages",
        "queue.buffering.max.ms",
        "request.required.acks",
        "request.timeout.ms",
        "retries",
        "socket.connection.setup.timeout.ms",
        "socket.keepalive.enable",
        "socket.nagle.disable",
        "socket.timeout.ms",
        "sticky.partitioning.linger.ms",
        "topic.metadata.refresh.interval.ms",
    }
)
"""What says how replicas send; the platform itself has its own ways."""
COMPRESSION = ("compression.codec", "compression.type")
COMPRESSIONS = ("none", "gzip", "lz4")
"""What the platform reads too: kafka-python needs more packages for the others."""
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


def translated(options: Mapping[str, str]) -> dict[str, Any]:
    """Options for kafka-python's clients. Raises ValueError with a sentence for what it cannot do."""
    known = {*KAFKA_PYTHON, *OF_REPLICAS, LARGEST_MESSAGE}
    if unknown := sorted(options.keys() - known):
        raise ValueError(
            f"{unknown[0]!r} is not an option that can be used here; these can: {', '.join(sorted(known))}"
        )
    found: dict[str, Any] = {}
    for name in options.keys() & KAFKA_PYTHON.keys():
        theirs, read = KAFKA_PYTHON[name]
        found[theirs] = _value(name, options[name], read)
    largest_message(options)
    _check_compression(options)
    if found.get("security_protocol", PROTOCOLS[0]) not in PROTOCOLS:
        raise ValueError(
            f"security.protocol is {options['security.protocol']!r}; write {' or '.join(PROTOCOLS)}"
        )
    return found


def largest_message(options: Mapping[str, str]) -> int:
    """In bytes, with what Kafka adds to it. Raises ValueError."""
    return int(_value(LARGEST_MESSAGE, options.get(LARGEST_MESSAGE, "1000000"), int))


def _check_compression(options: Mapping[str, str]) -> None:
    for name in COMPRESSION:
        if options.get(name, COMPRESSIONS[0]) not in COMPRESSIONS:
            raise ValueError(
                f"{name} is {options[name]!r}, which the platform could not read; write {' or '.join(COMPRESSIONS)}"
            )


def _value(name: str, text: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}; write a whole number") from None
