"""nginx as a reverse proxy, with the demo teacher as its upstream."""

import json
import random
import time

import pytest
from chaos.labelling import Data
from checks import check_complete, in_mid_run, labels_all, labels_all_while
from servers import Nginx
from support.images import png
from support.network import certificate

TLS = "ssl http2"
AWAY = 15  # seconds
LARGE = (1000, 700)


@pytest.fixture
def start_nginx(tmp_path):
    running = []

    def start(upstream, **lines):
        folder = tmp_path / "nginx"
        folder.mkdir()
        running.append(Nginx(folder, upstream, **lines))
        return running[-1]

    yield start
    for nginx in running:
        nginx.kill()


@pytest.fixture
def slow(start_teacher):
    return start_teacher("--delay-ms", "100")


@pytest.fixture
def tls(tmp_path):
    """Lines for a server with a certificate, and the variables with which it is trusted."""
    cert, key = certificate(tmp_path)
    lines = f"ssl_certificate {cert}; ssl_certificate_key {key};"
    return lines, {"SSL_CERT_FILE": str(cert)}


def test_connections_end_while_requests_are_open(start_nginx, slow, tls, make_job, data):
    """With HTTP/2 each connection says GOAWAY after three requests; those that it has taken are answered."""
    lines, trusted = tls
    nginx = start_nginx(slow.url, listen=TLS, server=lines, http="keepalive_requests 3;")
    requests = labels_all(make_job(nginx, workflow__max_workers=64), **trusted)
    assert slow.requests == data.needed, "none that was answered is asked for again"
    assert requests["retries"] <= data.needed / 5


@pytest.mark.parametrize("listen", ["", TLS], ids=["HTTP/1.1", "HTTP/2"])
def test_reload_in_mid_run(listen, start_nginx, slow, tls, make_job, data):
    lines, trusted = tls
    nginx = start_nginx(slow.url, listen=listen, server=lines if listen else "")

    def reload(run):
        for quarter in (1, 2, 3):
            in_mid_run(slow, data.needed * quarter / 4, run)
            nginx.reload()

    requests = labels_all_while(make_job(nginx, workflow__max_workers=16), reload, **trusted)
    assert slow.requests == data.needed
    assert requests["retries"] <= 3 * 16


# Directives of nginx that refuse requests with a 503, which names no time to wait.
LIMITS = {"ten a second": ("teacher", "limit_req_zone $server_port zone=all:1m rate=10r/s;",
                           "limit_req zone=all;"),
          "four at once": ("slow", "limit_conn_zone $server_port zone=all:1m;", "limit_conn all 4;")}


@pytest.mark.parametrize("upstream, http, location", LIMITS.values(), ids=LIMITS)
def test_limit(upstream, http, location, request, start_nginx, make_job, data):
    behind = request.getfixturevalue(upstream)
    nginx = start_nginx(behind.url, http=http, location=location)
    requests = labels_all(make_job(nginx, workflow__max_workers=16))
    assert behind.requests == data.needed
    assert 503 in nginx.statuses()
    assert requests["sent"] == len(nginx.statuses()) <= 1.3 * data.needed


@pytest.fixture
def large_images(tmp_path):
    """Four small images and four of noise that no format makes small."""
    folder = tmp_path / "large"
    folder.mkdir()
    noise = random.Random(7)
    lines = []
    for number in range(8):
        width, height = LARGE if number % 2 else (64, 48)
        pixels = noise.randbytes(3 * width * height)
        (folder / f"{number}.png").write_bytes(png(width, height, pixels=pixels))
        lines.append({"image_path": f"{number}.png", "caption": f"thing {number} and part {number}."})
    (folder / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Data(folder, images=8, captions_each=1)


@pytest.mark.parametrize("listen", ["", TLS], ids=["HTTP/1.1", "HTTP/2"])
def test_images_are_too_large_for_it(listen, start_nginx, teacher, tls, make_job, large_images):
    """A megabyte is nginx's own default; the page that it sends with a 413 is HTML."""
    lines, trusted = tls
    nginx = start_nginx(teacher.url, listen=listen, server=(lines if listen else ""),
                        location="client_max_body_size 1m;")
    job = make_job(nginx, large_images)
    done = job.run(environment=trusted, timeout=100)
    check_complete(job, done)
    assert 413 in nginx.statuses()
    assert "image_grounding.vlm.max_image_side" in done.stderr, done.stderr
    assert [(label["width"], label["height"]) for label in job.labels()] == 4 * [(64, 48), LARGE], (
        "labels stay in the pixels of the file")


def test_upstream_is_away_for_a_while(start_nginx, start_teacher, make_job, data):
    before = start_teacher("--delay-ms", "100")
    nginx = start_nginx(before.url)
    after = []

    def restart(run):
        in_mid_run(before, data.needed / 4, run)
        before.stop()
        time.sleep(AWAY)
        assert run.poll() is None, "the run did not wait"
        after.append(start_teacher(port=before.port))

    requests = labels_all_while(make_job(nginx, workflow__max_workers=8), restart)
    assert 502 in nginx.statuses()
    assert before.requests + after[0].requests <= data.needed + 8
    assert requests["sent"] <= data.needed + 15 * 8
