"""An endpoint that repeats the API key in what it says: the key is in nothing that we write."""

import json
import subprocess
from pathlib import Path

import faults
import pytest
from faults import body_of, openai_error, redirect, status
from labelling import API_KEY
from support.project import wait_until

PERCENT_ENCODED = "Quagga%2F7731%2Bokapi%3DZebra"
TELLING = 6  # so many characters of the key running are a leak


def at_cut(limit):
    """Text with the key across byte `limit`, where messages are shortened."""
    return "x" * (limit - len(API_KEY) // 2 - 1) + " " + API_KEY + " " + "y" * 300


ECHOES = [
    status(401, openai_error(f"Incorrect API key provided: {API_KEY}.", code="invalid_api_key"),
           name="401 invalid_api_key"),
    status(400, openai_error(f"bad header Authorization: Bearer {API_KEY}"), name="400"),
    status(400, openai_error(at_cut(500)), name="400, across the cut"),
    status(500, f"<html><title>oops {API_KEY}</title></html>".encode(), name="HTML page"),
    status(502, at_cut(500).encode(), name="plain text, across the cut"),
    status(403, openai_error(f"forbidden: ?key={PERCENT_ENCODED}"), name="403, percent-encoded"),
    redirect(f"http://user:{API_KEY}@127.0.0.1:9/{API_KEY}"),
    body_of("200 that is no JSON", f"no JSON, {API_KEY}".encode()),
    *(body_of(f"200 that is no JSON, cut within the key at {n}", at_cut(200 + n).encode())
      for n in (-8, 0, 8)),
    body_of("refusal", json.dumps({"choices": [{"message": {"refusal": at_cut(200)}}]}).encode()),
    body_of("200 with an error", openai_error(f"no such thing: {API_KEY}")),
    body_of("200 with an error, across the cut", openai_error(at_cut(500))),
    body_of("chatter", faults.answer_body(False, f"I was called with {API_KEY}!")),
    *(body_of(f"chatter, cut at {n}", faults.answer_body(False, at_cut(n)))
      for n in (60, 80, 100, 120, 200)),
]


def pieces_of_key():
    return {form[i:i + TELLING].encode() for form in (API_KEY, PERCENT_ENCODED)
            for i in range(len(form) - TELLING + 1)}


def assert_no_key(job, done):
    for place, content in job.all_text(done).items():
        found = [piece for piece in pieces_of_key() if piece in content]
        assert not found, (place, content[:2000])


@pytest.mark.parametrize("always", [False, True], ids=["once", "always"])
@pytest.mark.parametrize("fault", ECHOES, ids=lambda fault: fault.name)
def test_key_is_in_nothing_that_is_written(fault, always, make_job, endpoint):
    endpoint.script = lambda request: fault if always or request.number == 5 else None
    job = make_job(vlm__max_retries=1, vlm__startup_patience=1)
    done = job.run()
    assert endpoint.faults
    assert endpoint.requests[0].headers["authorization"] == f"Bearer {API_KEY}"
    assert_no_key(job, done)


@pytest.mark.parametrize("value, secret", [(API_KEY, API_KEY), (f"Token {API_KEY}", API_KEY)],
                         ids=["alone", "after a scheme"])
@pytest.mark.parametrize("fault", ECHOES, ids=lambda fault: fault.name)
def test_header_is_in_nothing_that_is_written(fault, value, secret, make_job, endpoint):
    endpoint.script = lambda request: fault if request.number % 3 == 2 else None
    job = make_job(vlm__max_retries=1, vlm__openai__api_key="another",
                   vlm__openai__extra_headers=f"{{X-Tenant: '{value}'}}")
    done = job.run()
    assert endpoint.faults
    for request in endpoint.requests:
        assert request.headers["x-tenant"] == value
        assert request.headers["authorization"] == "Bearer another"
    assert_no_key(job, done)


def test_a_header_may_replace_authorization(make_job, endpoint):
    job = make_job(vlm__openai__extra_headers="{authorization: 'Basic abcd'}")
    assert job.run().returncode == 0
    assert {request.headers["authorization"] for request in endpoint.requests} == {"Basic abcd"}


@pytest.mark.parametrize("fault", [
    status(400, faults.gemini_error(400, f"API key not valid: {API_KEY}", "INVALID_ARGUMENT")),
    status(429, faults.gemini_error(429, at_cut(500), "RESOURCE_EXHAUSTED"),
           [("retry-after-ms", "1")]),
    faults.body_of("blocked", json.dumps({"promptFeedback": {"blockReason": API_KEY}}).encode()),
], ids=["invalid key", "rate limit", "blocked"])
def test_key_is_in_nothing_that_gemini_makes_us_write(fault, make_job, endpoint):
    endpoint.script = lambda request: fault
    job = make_job("gemini", vlm__rate_limit_patience=0.2, workflow__max_failure_ratio=1)
    done = job.run()
    assert endpoint.faults
    assert_no_key(job, done)


@pytest.mark.parametrize("backend, header", [("openai", "authorization"),
                                             ("gemini", "x-goog-api-key")])
def test_key_travels_in_its_header_alone(backend, header, make_job, endpoint):
    assert make_job(backend).run().returncode == 0
    for request in endpoint.requests:
        holders = [name for name, value in request.headers.items() if API_KEY in value]
        assert holders == [header] and API_KEY not in request.path


@pytest.mark.parametrize("override", [
    "image_grounding.vlm.openai.api_key={key}",
    "+image_grounding.vlm.openai.api_key={key}",
    "image_grounding.vlm.openai={{api_key: {key}, base_url: '{url}/v1', model_name: chaos}}",
    "image_grounding.vlm.openai.extra_headers={{Authorization: 'Bearer {key}'}}",
    "image_grounding.vlm.openai.extra_headers.Authorization='Bearer {key}'",
    "image_grounding.vlm={{backend: openai, openai: {{api_key: {key}, base_url: '{url}/v1',"
    " model_name: chaos}}}}",
], ids=["key", "added key", "block", "headers", "header", "block of blocks"])
def test_key_of_an_override_is_not_in_the_process_list(override, make_job, endpoint):
    key = API_KEY.replace("/", "x").replace("+", "y").replace("=", "z")
    endpoint.script = lambda request: faults.SILENCE
    job = make_job()
    command = [*job.command(), override.format(key=key, url=endpoint.url)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env=job.environment()) as process:
        try:
            wait_until(lambda: endpoint.requests)
            assert endpoint.requests[0].headers["authorization"] == f"Bearer {key}"
            shown = Path(f"/proc/{process.pid}/cmdline").read_text()
        finally:
            process.kill()
    assert "api_key" in shown or "extra_headers" in shown
    assert key[:TELLING] not in shown
