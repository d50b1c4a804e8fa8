"""tritonclient.http against /v2, with its blocking and its asyncio client."""

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from checks import raises, run
from tritonclient.utils import InferenceServerException

FLOWERS = np.array([[0, 0, 0, 1], [9, 9, 9, 8]], dtype=np.float32)
WORDS = np.array([b"rose", "räv".encode(), b""], dtype=object)


def tensor(array, datatype, *, binary=True):
    given = triton.InferInput("x", list(array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def is_right(result):
    assert result.as_numpy("kind").tolist() == [0, 1]
    assert result.as_numpy("kind").dtype == np.int32
    assert result.as_numpy("name").tolist() in ([b"rose", b"iris"], ["rose", "iris"])


def check_health_and_readiness(address):
    client = triton.InferenceServerClient(address)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("knn")
    assert not client.is_model_ready("rose")


def check_metadata(address):
    client = triton.InferenceServerClient(address)
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert client.get_model_metadata("knn")["name"] == "knn"
    assert "rose is not served here" in raises(
        InferenceServerException, lambda: client.get_model_metadata("rose")
    )


def check_binary_inputs_and_outputs(address):
    client = triton.InferenceServerClient(address)
    result = client.infer("knn", [tensor(FLOWERS, "FP32")], request_id="call-1")
    is_right(result)
    assert result.get_response()["id"] == "call-1"


def check_json_inputs(address):
    client = triton.InferenceServerClient(address)
    is_right(client.infer("knn", [tensor(FLOWERS, "FP32", binary=False)]))


def check_json_inputs_and_outputs(address):
    client = triton.InferenceServerClient(address)
    outputs = [triton.InferRequestedOutput(name, binary_data=False) for name in ("kind", "name")]
    is_right(client.infer("knn", [tensor(FLOWERS, "FP32", binary=False)], outputs=outputs))


def check_mixed_outputs(address):
    client = triton.InferenceServerClient(address)
    outputs = [triton.InferRequestedOutput("name"), triton.InferRequestedOutput("kind", binary_data=False)]
    is_right(client.infer("knn", [tensor(FLOWERS, "FP32")], outputs=outputs))


def check_one_output_asked_for(address):
    client = triton.InferenceServerClient(address)
    result = client.infer("knn", [tensor(FLOWERS, "FP32")], outputs=[triton.InferRequestedOutput("name")])
    assert result.as_numpy("name").tolist() == [b"rose", b"iris"]
    assert result.as_numpy("kind") is None


def check_an_unknown_output_is_told(address):
    client = triton.InferenceServerClient(address)
    wrong = [triton.InferRequestedOutput("zz")]
    said = raises(
        InferenceServerException, lambda: client.infer("knn", [tensor(FLOWERS, "FP32")], outputs=wrong)
    )
    assert "Unexpected inference output 'zz'" in said


def check_strings(address):
    client = triton.InferenceServerClient(address)
    for binary in (True, False):
        result = client.infer("knn", [tensor(WORDS, "BYTES", binary=binary)])
        assert result.as_numpy("output-0").tolist() == [b"ROSE", "RÄV".encode(), b""]


def check_half_precision(address):
    client = triton.InferenceServerClient(address)
    is_right(client.infer("knn", [tensor(FLOWERS.astype(np.float16), "FP16")]))


def check_a_wrong_request_is_told(address):
    client = triton.InferenceServerClient(address)
    given = triton.InferInput("x", [2, 5], "FP32")
    given._raw_data, given._parameters = FLOWERS.tobytes(), {"binary_data_size": FLOWERS.nbytes}
    assert "do not fill the shape [2, 5]" in raises(
        InferenceServerException, lambda: client.infer("knn", [given])
    )


def check_many_requests_at_a_time(address):
    client = triton.InferenceServerClient(address, concurrency=8)
    asked = [client.async_infer("knn", [tensor(FLOWERS, "FP32")]) for _ in range(50)]
    for each in asked:
        is_right(each.get_result())


async def check_asyncio_client(address):
    async with triton_aio.InferenceServerClient(address) as client:
        assert await client.is_server_ready()
        assert await client.is_model_ready("knn")
        is_right(await client.infer("knn", [tensor(FLOWERS, "FP32")]))
        is_right(await client.infer("knn", [tensor(FLOWERS, "FP32", binary=False)]))
        outputs = [triton.InferRequestedOutput(name, binary_data=False) for name in ("kind", "name")]
        is_right(await client.infer("knn", [tensor(FLOWERS, "FP32")], outputs=outputs))


def check_repository(address):
    client = triton.InferenceServerClient(address)
    assert [(each["name"], each["state"]) for each in client.get_model_repository_index()] == [
        ("knn", "READY")
    ]
    client.unload_model("knn")
    assert not client.is_model_ready("knn")
    assert client.get_model_repository_index()[0]["state"] == "UNAVAILABLE"
    assert "unloaded" in raises(
        InferenceServerException, lambda: client.infer("knn", [tensor(FLOWERS, "FP32")])
    )
    client.load_model("knn")
    is_right(client.infer("knn", [tensor(FLOWERS, "FP32")]))


if __name__ == "__main__":
    run(globals())
