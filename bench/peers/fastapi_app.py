"""FastAPI as fast as it gets by hand: raw body, orjson both ways, predicting on the event loop."""

import orjson
from fastapi import FastAPI, Request, Response
from models import NAME, served

predict = served()
app = FastAPI()


@app.post(f"/v1/models/{NAME}:predict")
async def answer(request: Request) -> Response:
    asked = orjson.loads(await request.body())
    body = orjson.dumps({"predictions": predict(asked["instances"])})
    return Response(body, media_type="application/json")
