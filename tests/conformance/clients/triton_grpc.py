"""tritonclient.grpc against inference.GRPCInferenceService: blocking, asyncio and streaming."""

import queue

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from checks import raises, run
from tritonclient.utils import InferenceServerException

FLOWERS = np.array([[0, 0, 0, 1], [9, 9, 9, 8]], dtype=np.float32)
WORDS = np.array([b"rose", "räv".encode(), b""], dtype=object)
DEADLINE_SECONDS = 10


def tensor(array, datatype):
    given = triton.InferInput("x", list(array.shape), datatype)
    given.set_data_from_numpy(array)
    return given


def is_right(result):
    assert result.as_numpy("kind").tolist() == [0, 1]
    assert result.as_numpy("name").tolist() == [b"rose", b"iris"]


def check_health_and_readiness(address):
    client = triton.InferenceServerClient(address)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("knn")


def check_metadata(address):
    client = triton.InferenceServerClient(address)
    assert client.get_server_metadata().name == "hopyard"
    assert client.get_model_metadata("knn").name == "knn"
    assert "NOT_FOUND" in raises(InferenceServerException, lambda: client.get_model_metadata("rose"))


def check_inference(address):
    client = triton.InferenceServerClient(address)
    result = client.infer("knn", [tensor(FLOWERS, "FP32")], request_id="call-1", parameters={"tries": 1.5})
    is_right(result)
    assert result.get_response().id == "call-1"


def check_strings_and_half_precision(address):
    client = triton.InferenceServerClient(address)
    result = client.infer("knn", [tensor(WORDS, "BYTES")])
    assert result.as_numpy("output-0").tolist() == [b"ROSE", "RÄV".encode(), b""]
    is_right(client.infer("knn", [tensor(FLOWERS.astype(np.float16), "FP16")]))


def check_one_output_asked_for(address):
    client = triton.InferenceServerClient(address)
    outputs = [triton.InferRequestedOutput("name")]
    result = client.infer("knn", [tensor(FLOWERS, "FP32")], outputs=outputs)
    assert result.as_numpy("name").tolist() == [b"rose", b"iris"]
    assert result.as_numpy("kind") is None
    wrong = [triton.InferRequestedOutput("zz")]
    said = raises(
        InferenceServerException, lambda: client.infer("knn", [tensor(FLOWERS, "FP32")], outputs=wrong)
    )
    assert "INVALID_ARGUMENT" in said
    assert "zz" in said


def check_errors_have_their_status(address):
    client = triton.InferenceServerClient(address)
    assert "NOT_FOUND" in raises(
        InferenceServerException, lambda: client.infer("rose", [tensor(FLOWERS, "FP32")])
    )
    given = triton.InferInput("x", [2, 5], "FP32")
    given._raw_content = FLOWERS.tobytes()
    assert "INVALID_ARGUMENT" in raises(InferenceServerException, lambda: client.infer("knn", [given]))


def check_gzip(address):
    client = triton.InferenceServerClient(address)
    is_right(client.infer("knn", [tensor(FLOWERS, "FP32")], compression_algorithm="gzip"))


def check_deflate(address):
    client = triton.InferenceServerClient(address)
    is_right(client.infer("knn", [tensor(FLOWERS, "FP32")], compression_algorithm="deflate"))


def check_large_messages(address):
    client = triton.InferenceServerClient(address)
    rows = np.tile(FLOWERS, (100_000, 1))
    assert client.infer("knn", [tensor(rows, "FP32")]).as_numpy("kind").shape == (200_000,)


def check_many_requests_at_a_time(address):
    client, answers = triton.InferenceServerClient(address), queue.Queue()
    for _ in range(50):
        client.async_infer(
            "knn", [tensor(FLOWERS, "FP32")], lambda result, error: answers.put((result, error))
        )
    for _ in range(50):
        result, error = answers.get(timeout=DEADLINE_SECONDS)
        assert error is None, error
        is_right(result)


def check_a_stream(address):
    client, answers = triton.InferenceServerClient(address), queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for number in range(5):
        client.async_stream_infer("knn", [tensor(FLOWERS, "FP32")], request_id=f"call-{number}")
    client.async_stream_infer("rose", [tensor(FLOWERS, "FP32")])
    found = [answers.get(timeout=DEADLINE_SECONDS) for _ in range(6)]
    client.stop_stream()
    results = [result for result, error in found if error is None]
    assert sorted(each.get_response().id for each in results) == [f"call-{number}" for number in range(5)]
    for each in results:
        is_right(each)


async def check_asyncio_client(address):
    async with triton_aio.InferenceServerClient(address) as client:
        assert await client.is_server_ready()
        assert await client.is_model_ready("knn")
        is_right(await client.infer("knn", [tensor(FLOWERS, "FP32")]))


async def check_asyncio_stream(address):
    async def requests():
        for number in range(3):
            yield {
                "model_name": "knn",
                "inputs": [tensor(FLOWERS, "FP32")],
                "request_id": f"call-{number}",
            }

    async with triton_aio.InferenceServerClient(address) as client:
        count = 0
        async for result, error in client.stream_infer(requests()):
            assert error is None, error
            is_right(result)
            count += 1
        assert count == 3


def check_repository(address):
    client = triton.InferenceServerClient(address)
    index = client.get_model_repository_index()
    assert [(each.name, each.state) for each in index.models] == [("knn", "READY")]
    client.unload_model("knn")
    assert not client.is_model_ready("knn")
    assert "UNAVAILABLE" in raises(
        InferenceServerException, lambda: client.infer("knn", [tensor(FLOWERS, "FP32")])
    )
    client.load_model("knn")
    is_right(client.infer("knn", [tensor(FLOWERS, "FP32")]))


if __name__ == "__main__":
    run(globals())
