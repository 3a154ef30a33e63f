"""A proxy that is dead or denies: the run says which one, and does not ask again what is denied."""

import contextlib
import socket
import threading

import pytest

SECRET = "Quagga7731"


@contextlib.contextmanager
def proxy_that_answers(status):
    """(its port, its requests' first lines): every request gets the status."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        asked.append(connection.recv(65536).split(b"\r\n")[0].decode())
                        connection.sendall(f"HTTP/1.1 {status} no\r\ncontent-length: 0\r\n"
                                           "connection: close\r\n\r\n".encode())

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], asked
        server.shutdown(socket.SHUT_RDWR)


def run_behind(job, port, url="https://known-to-the-proxy.example/v1"):
    proxy = f"http://me:{SECRET}@127.0.0.1:{port}"
    return job.run(environment={"HTTPS_PROXY": proxy, "http_proxy": proxy},
                   settings={"vlm__openai__base_url": url, "vlm__max_retries": 1, "vlm__startup_patience": 2,
                             "workflow__max_workers": 1})


@pytest.mark.parametrize("url", ["https://known-to-the-proxy.example/v1",
                                 "http://known-to-the-proxy.example/v1"])
def test_a_proxy_that_wants_a_password_ends_the_run(url, make_job, endpoint):
    with proxy_that_answers(407) as (port, asked):
        done = run_behind(make_job(), port, url)
    assert done.returncode == 1 and len(asked) == 1
    assert f"the proxy 127.0.0.1:{port}" in done.stderr and "NO_PROXY" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_a_proxy_that_denies_the_host_ends_the_run(make_job, endpoint):
    with proxy_that_answers(403) as (port, asked):
        done = run_behind(make_job(), port)
    assert done.returncode == 1 and asked == ["CONNECT known-to-the-proxy.example:443 HTTP/1.1"]
    assert "refuses to connect to the endpoint (status 403)" in done.stderr


def test_a_proxy_that_cannot_reach_the_endpoint_is_asked_again(make_job, endpoint):
    with proxy_that_answers(503) as (port, asked):
        done = run_behind(make_job(), port)
    assert done.returncode == 1 and len(asked) > 1
    assert "cannot connect to the endpoint (status 503)" in done.stderr


def test_a_proxy_that_is_not_there(make_job, endpoint):
    done = run_behind(make_job(), 9)
    assert done.returncode == 1
    assert "the proxy 127.0.0.1:9 (HTTPS_PROXY) cannot be reached" in done.stderr
    assert "Check HTTPS_PROXY and HTTP_PROXY; NO_PROXY" in done.stderr
    assert "base_url" not in done.stderr and SECRET not in done.stderr
