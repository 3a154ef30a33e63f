"""The gateways as processes: LiteLLM's proxy, nginx, and the TAO inference microservice.

What they need is made by tools/test_gateways.sh, in build/gateways.
"""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from dispatcher.environments import LAYOUTS, Environments
from support.network import free_port
from support.project import ROOT, wait_until

HERE = Path(__file__).parent
MADE = ROOT / "build" / "gateways"
LITELLM = MADE / "litellm/bin/litellm"
NGINX = MADE / "nginx/usr/sbin/nginx"
STARTS_WITHIN = 120  # seconds, on a busy machine


def installed(program):
    if not program.exists():
        pytest.fail(f"{program} is missing: run tools/test_gateways.sh (it needs PyPI and Debian's archive)")
    return program


def clean_environment(**extra):
    """Without settings of the caller's own that a server would take for its own."""
    drop = ("LITELLM", "PROXY_", "OPENAI_", "DATABASE_URL", "REDIS_", "http_proxy", "https_proxy", "HTTP_PROXY",
            "HTTPS_PROXY", "ALL_PROXY", "all_proxy")
    return {name: value for name, value in os.environ.items() if not name.startswith(drop)} | extra


class Server:
    """A process that listens on the loopback, with a log; kill() ends all that it started too."""

    def __init__(self, folder, command, port, environment, ready):
        self.folder, self.command, self.port = folder, [str(part) for part in command], port
        self._environment, self._ready = environment, ready
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def start(self):
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd=self.folder, env=self._environment, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            wait_until(self._answers, STARTS_WITHIN)
        except BaseException:
            self.kill()
            raise

    def _answers(self):
        assert self.process.poll() is None, self.log
        try:
            with urllib.request.urlopen(self.url + self._ready, timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            time.sleep(0.1)
            return False

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(timeout=20)


class LiteLlm(Server):
    """LiteLLM's proxy. `config`: what belongs into its file, as a dict."""

    def __init__(self, folder, config, **environment):
        (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
        port = free_port()
        super().__init__(
            folder, [installed(LITELLM), "--config", "config.yaml", "--host", "127.0.0.1", "--port", port],
            port, clean_environment(LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_TELEMETRY_DISABLED="True",
                                    NO_COLOR="1", **environment),
            "/health/liveliness")


NGINX_CONFIG = """
{user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr info;
events {{ worker_connections 1024; }}
http {{
  access_log access.log;
  client_body_temp_path temp-body;
  proxy_temp_path temp-proxy;
  fastcgi_temp_path temp-fastcgi;
  uwsgi_temp_path temp-uwsgi;
  scgi_temp_path temp-scgi;
  client_max_body_size 64m;
  {http}
  server {{
    listen 127.0.0.1:{port} {listen};
    {server}
    location = /ready {{ return 204; }}
    location /v1/ {{
      proxy_pass {upstream};
      {location}
    }}
  }}
}}
"""


class Nginx(Server):
    """nginx in front of `upstream`; the other arguments are lines of its configuration."""

    def __init__(self, folder, upstream, *, http="", listen="", server="", location=""):
        port = free_port()
        # Its workers would be another user, to whom the tests' folders are closed.
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(NGINX_CONFIG.format(
            user=user, port=port, upstream=upstream, http=http, listen=listen, server=server,
            location=location))
        self._tls = "ssl" in listen
        super().__init__(folder, [installed(NGINX), *self._options(folder)], port, clean_environment(),
                         "/ready")

    @staticmethod
    def _options(folder):
        return ["-p", folder, "-c", "nginx.conf", "-e", "stderr"]

    @property
    def url(self):
        return f"https://localhost:{self.port}" if self._tls else super().url

    def _answers(self):
        if not self._tls:
            return super()._answers()
        assert self.process.poll() is None, self.log
        return (self.folder / "nginx.pid").exists()

    def statuses(self):
        """The status of each request for labels, in the order of their ends."""
        lines = (self.folder / "access.log").read_text().splitlines()
        return [int(line.split('"')[2].split()[0]) for line in lines if "/chat/completions" in line]

    def reload(self):
        subprocess.run([NGINX, *self._options(self.folder), "-s", "reload"], check=True, capture_output=True)


class Microservice(Server):
    """The server that TAO starts for an inference microservice, in NVIDIA's own package."""

    def __init__(self, folder, upstream, *, loads_for=0.0, fails="", layout="7.3.0"):
        port = free_port()
        tao = Environments(ROOT / "build" / "tao").tao(LAYOUTS[layout])
        super().__init__(
            folder, [tao.bin / "python", HERE / "tao_microservice.py", "--port", port, "--upstream", upstream,
                     "--state", folder, "--loads-for", loads_for, "--fails", fails],
            port, tao.variables(HOME=str(folder)), "/api/v1/health/liveness")
