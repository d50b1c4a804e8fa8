"""Flask, as most tutorials serve a model; run by gunicorn with threads."""

from flask import Flask, Response, jsonify, request
from models import NAME, served

predict = served()
app = Flask(__name__)


@app.post(f"/v1/models/{NAME}:predict")
def answer() -> Response:
    return jsonify({"predictions": predict(request.get_json()["instances"])})
