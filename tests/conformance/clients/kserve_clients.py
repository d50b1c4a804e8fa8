"""kserve's InferenceRESTClient, in V1 and V2, and its InferenceGRPCClient."""

import httpx
import numpy as np
from checks import run
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

FLOWERS = np.array([[0, 0, 0, 1], [9, 9, 9, 8]], dtype=np.float32)
V1 = {"instances": FLOWERS.tolist()}


def asked(*, binary, model="knn"):
    given = InferInput("x", list(FLOWERS.shape), "FP32")
    given.set_data_from_numpy(FLOWERS, binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[given], request_id="call-1")


def is_right(response):
    found = {each.name: each for each in response.outputs}
    assert found["kind"].as_numpy().tolist() == [0, 1]
    assert [str(each, "utf-8") if isinstance(each, bytes) else each for each in found["name"].data or []] in (
        ["rose", "iris"],
        [],
    )


async def check_v1(address):
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        answer = await client.infer(f"http://{address}", V1, model_name="knn")
        assert answer == {"predictions": {"kind": [0, 1], "name": ["rose", "iris"]}}
        assert await client.is_server_live(f"http://{address}")
        assert await client.is_model_ready(f"http://{address}", "knn")


async def check_v1_explain(address):
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        answer = await client.explain(f"http://{address}", model_name="knn", data=V1)
        assert answer == {"predictions": [{"farthest": 1.0}, {"farthest": 9.0}]}


async def check_v1_of_an_unknown_model(address):
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        status = None
        try:
            await client.infer(f"http://{address}", V1, model_name="rose")
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
        assert status == 404


async def check_v2(address):
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        assert await client.is_server_live(f"http://{address}")
        assert await client.is_server_ready(f"http://{address}")
        assert await client.is_model_ready(f"http://{address}", "knn")
        assert not await client.is_model_ready(f"http://{address}", "rose")
        for binary in (False, True):
            response = await client.infer(f"http://{address}", asked(binary=binary), model_name="knn")
            is_right(response)
            assert response.id == "call-1"


async def check_v2_with_a_dict(address):
    given = {"name": "x", "shape": [2, 4], "datatype": "FP32", "data": FLOWERS.tolist()}
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        is_right(await client.infer(f"http://{address}", {"inputs": [given]}, model_name="knn"))


async def check_grpc(address):
    async with InferenceGRPCClient(address) as client:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("knn")
        for binary in (False, True):
            response = await client.infer(asked(binary=binary))
            is_right(response)
            assert response.id == "call-1"


if __name__ == "__main__":
    run(globals())
