"""HTTP/2, as public endpoints offer it: requests share connections, and none waits for another."""

import json
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from support.network import certificate, free_port
from support.program import overrides, run, summary
from support.project import wait_until

HERE = Path(__file__).parent
IN_FLIGHT = 40


def ask(url, cert):
    context = ssl.create_default_context(cafile=str(cert))
    return json.load(urllib.request.urlopen(url, context=context))


@pytest.fixture
def endpoint(tmp_path):
    cert, key = certificate(tmp_path)
    url = f"https://localhost:{free_port()}"
    server = subprocess.Popen([sys.executable, "-m", "hypercorn", "http2_endpoint:app", "--certfile",
                               cert, "--keyfile", key, "--bind", url.removeprefix("https://")],
                              cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def answers():
        assert server.poll() is None, server.stderr.read()
        try:
            return ask(url + "/stats", cert)
        except OSError:
            return None
    wait_until(answers)
    yield url, cert
    server.terminate()
    server.wait(timeout=20)


def test_requests_share_connections(endpoint, scenes, spec, tmp_path):
    url, cert = endpoint
    results = tmp_path / "results"
    done = run(spec, overrides(results, scenes, url, workflow__max_workers=IN_FLIGHT),
               CURL_CA_BUNDLE=str(cert))
    assert done.returncode == 0, done.stderr
    assert summary(results)["records"]["failed"] == 0
    seen = ask(url + "/stats", cert)
    assert seen["versions"] == ["2"]
    assert seen["connections"] <= 3  # 16 requests each
    assert seen["most"] > IN_FLIGHT // 2, "a shared connection must not make requests wait"
