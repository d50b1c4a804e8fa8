"""Inference records in Avro, of every version of the schema that servings write."""

import functools
import io
from typing import Any, cast

import fastavro

from serving.topics import schemas
from worker.consuming import said
from worker.consuming.said import Origin, Said, Unusable

STAGES = {
    "queue_us": "queueSeconds",
    "preprocess_us": "preprocessSeconds",
    "predict_us": "predictSeconds",
    "postprocess_us": "postprocessSeconds",
}


def read(value: bytes, origin: Origin, *, version: int) -> list[Said]:
    """The one record in a message. Raises Unusable."""
    found = _decoded(value, version)
    common: dict[str, Any] = {
        "serving": said.whole("modelId", found["modelId"]),
        "model_version": said.whole("modelVersion", found["modelVersion"]),
        "status": said.status(found["responseHttpCode"]),
        "requested_at": said.moment(found["requestTimestamp"], found.get("requestMicros", 0), origin.now),
    }
    if version < schemas.CURRENT:
        return [
            Said(
                **common,
                request_id=origin.request_id(),
                inputs=said.body(found["inferenceRequest"]),
                outputs=said.body(found["inferenceResponse"]),
            )
        ]
    return [Said(**common, **_beyond(found, origin))]


def _beyond(found: dict[str, Any], origin: Origin) -> dict[str, Any]:
    """What version 5 has and those before it have not."""
    stages = {name: said.micros(source, found[source]) for name, source in STAGES.items()}
    return stages | {
        "request_id": said.text(found["requestId"], 128) or origin.request_id(),
        "revision": said.whole("revision", found["revision"]),
        "replica": said.text(found["replica"], 60),
        "protocol": said.text(found["protocol"], 20),
        "verb": said.text(found["verb"], 100),
        "duration_us": said.micros("seconds", found["seconds"]) or 0,
        "inputs": said.body(found["inferenceRequest"], found["requestBytes"], found["requestSha256"]),
        "outputs": said.body(found["inferenceResponse"], found["responseBytes"], found["responseSha256"]),
        "error": said.text(found["error"], said.LARGEST_ERROR),
        "key_id": said.text(found["keyId"], 12),
        "sampling_percent": said.percent(found["samplingPercent"]),
    }


def _decoded(value: bytes, version: int) -> dict[str, Any]:
    stream = io.BytesIO(value)
    try:
        found = fastavro.schemaless_reader(stream, _schema(version))
    except UnicodeDecodeError:
        raise Unusable(f"it is no record of version {version}: a text in it is not UTF-8") from None
    except EOFError:
        raise Unusable(f"it is no record of version {version}: it ends too early") from None
    except Exception as error:  # whatever bytes do to the decoder, the next message is read
        raise Unusable(f"it is no record of version {version} ({type(error).__name__})") from None
    if stream.tell() != len(value):
        rest = len(value) - stream.tell()
        raise Unusable(f"it is no record of version {version}: {rest} bytes follow on it")
    return cast(dict[str, Any], found)


@functools.cache
def _schema(version: int) -> Any:
    return fastavro.parse_schema(schemas.document(version))
