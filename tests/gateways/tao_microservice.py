"""NVIDIA's BaseInferenceMicroserviceServer with a model that asks an OpenAI-compatible endpoint.

Runs in an environment of nvidia-tao-core. Everything about HTTP is NVIDIA's code; only the model and the
address to listen on (the loopback) are not.
"""

import argparse
import base64
import mimetypes
import time
from pathlib import Path

import flask
import requests
from nvidia_tao_core.microservices.handlers.base_inference_microservice_server import (
    BaseInferenceMicroserviceServer,
)


class ForwardingServer(BaseInferenceMicroserviceServer):
    options: argparse.Namespace

    def load_model_into_memory(self, **parameters):
        time.sleep(self.options.loads_for)
        if self.options.fails:
            raise RuntimeError(self.options.fails)
        return True

    def run_model_inference(self, media=(), prompt="", **sampling):
        content = [{"type": "image_url", "image_url": {"url": data_url(path)}} for path in media]
        content.append({"type": "text", "text": prompt})
        answer = requests.post(self.options.upstream + "/v1/chat/completions", timeout=60, json={
            "model": "demo-teacher", "messages": [{"role": "user", "content": content}]})
        answer.raise_for_status()
        return {"response": answer.json()["choices"][0]["message"]["content"]}

    def get_supported_file_extensions(self):
        return [".jpg", ".png"], []


def data_url(path):
    kind = mimetypes.guess_type(path)[0]
    return f"data:{kind};base64,{base64.b64encode(Path(path).read_bytes()).decode()}"


def listen_on_the_loopback(app, host, **options):
    flask_run(app, host="127.0.0.1", **options)


flask_run = flask.Flask.run
flask.Flask.run = listen_on_the_loopback

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
parser.add_argument("--upstream")
parser.add_argument("--state")
parser.add_argument("--loads-for", type=float)
parser.add_argument("--fails")
ForwardingServer.options = parser.parse_args()
server = ForwardingServer.create_from_tao_job({"job_id": "job", "specs": {}}, {},
                                              port=ForwardingServer.options.port)
server.model_state_dir = ForwardingServer.options.state
server.start_server_immediate()
