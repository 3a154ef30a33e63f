"""Each fault has a stated outcome: the run recovers, one record fails, or the run ends.

In every case nothing is lost and nothing is paid twice: a run against the endpoint in good health
sends exactly what is missing, and its files are those of a run that met no fault.
"""

import time

import faults
import pytest
from faults import gemini_error, openai_error, redirect, status
from labelling import WORKERS, heals
from support.faulty_endpoint import FaultyEndpoint

CAPTION = "thing 2.0 and part 2.0."  # the record that has bad luck
QUESTIONS = {"0": lambda request: request.asked == (CAPTION,),
             "1": lambda request: "thing 2.0" in request.asked}
LOST = {"0": 1, "1": 2}  # records that fail with one question: of step 1, all of the image
MISSING = {"0": 2, "1": 1}  # requests that they need later: after step 0 the image is to come
QUICK = {"vlm__max_retries": 1}  # where the retries shall be used up


def unlucky(step, fault, times=10**9):
    """One question of a step meets the fault, the first `times` times that it is asked."""
    def script(request):
        hit = request.step == step and QUESTIONS[step](request) and request.attempt <= times
        return fault if hit else None
    return script


def needs_no_more(endpoint, requests):
    """A question that was answered may be asked once more, to find out whether the fault is the endpoint's."""
    return len(endpoint.requests) - requests in (0, 1)


# --- What passes ---

PASSING = [faults.RESET, faults.CLOSE, faults.RESET_IN_HEADERS, faults.RESET_IN_BODY,
           faults.GO_AWAY, faults.SILENCE, faults.DRIP, faults.NOT_HTTP, faults.CUT_CHUNKS,
           faults.LENGTH_TOO_LONG, faults.LENGTH_TOO_SHORT, faults.NO_GZIP, faults.CUT_GZIP,
           faults.BAD_GZIP, faults.GIGANTIC, faults.GIGANTIC_LENGTH, faults.BOMB, faults.EMPTY,
           faults.HTML, faults.DEEP, faults.DEEP_MESSAGE, faults.DEEP_ANSWER, faults.BAD_UTF8,
           faults.NO_CHOICES, faults.NO_TEXT, faults.CHATTER, faults.HALF_ANSWER,
           *(status(code) for code in (408, 409, 425, 429, 500, 502, 503, 504, 529)),
           status(503, headers=[("Retry-After", "0")], name="503 with a hint"),
           status(502, faults.HTML_PAGE, content_type="text/html", name="502 with an HTML page"),
           status(500, b"[" * 100_000, name="500 with deep JSON"),
           status(400, headers=[("x-should-retry", "true")], name="400 with x-should-retry")]


@pytest.mark.parametrize("step", "01")
@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: fault.name)
def test_passing_fault_costs_one_more_request(fault, step, make_job, endpoint, data, undisturbed):
    endpoint.script = unlucky(step, fault, times=1)
    job = make_job(vlm__openai__timeout=0.6 if fault in (faults.SILENCE, faults.DRIP) else 30)
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert len(endpoint.faults) == 1
    others = sum(not request.answered and not request.fault for request in endpoint.requests)
    if fault is not faults.GO_AWAY:  # which also cuts off what others were being answered
        assert len(endpoint.requests) == data.needed + 1 and others == 0
    assert job.outputs() == undisturbed
    assert job.failures() == []
    heals(job, endpoint, undisturbed, missing=0)


@pytest.mark.parametrize("backend", ["openai", "gemini"])
@pytest.mark.parametrize("fault", faults.ODD_BUT_GOOD, ids=lambda fault: fault.name)
def test_odd_but_good_answers_are_taken(fault, backend, make_job, endpoint, data, undisturbed):
    endpoint.script = lambda request: fault
    job = make_job(backend)
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert len(endpoint.requests) == data.needed
    assert job.outputs() == undisturbed


# --- What stays: the record fails, the run goes on ---

# (fault, kind in failures.jsonl, its http_status, attempts at it)
STAYING = [
    (faults.RESET_IN_BODY, "transport", None, 2),
    (faults.CUT_CHUNKS, "transport", None, 2),
    (faults.NO_GZIP, "transport", None, 2),
    (faults.BAD_GZIP, "transport", None, 2),
    (faults.CUT_GZIP, "unusable_answer", 200, 2),
    (faults.NOT_HTTP, "transport", None, 2),
    (faults.SILENCE, "timeout", None, 2),
    (faults.DRIP, "timeout", None, 2),
    (faults.GIGANTIC_LENGTH, "unusable_answer", None, 2),
    (faults.EMPTY, "unusable_answer", 200, 2),
    (faults.HTML, "unusable_answer", 200, 2),
    (faults.DEEP_MESSAGE, "unusable_answer", 200, 2),
    (faults.BAD_UTF8, "unusable_answer", 200, 2),
    (faults.CHATTER, "unusable_answer", 200, 2),
    (faults.HALF_ANSWER, "unusable_answer", 200, 2),
    (status(408), "timeout", 408, 2),
    (status(504), "timeout", 504, 2),
    *((status(code), "server_error", code, 2) for code in (409, 425)),
    # One more, where it comes among the first: without all optional parts.
    (status(500), "server_error", 500, (2, 3)),
    # One more, where it comes before the first answer: the endpoint may be starting.
    *((status(code), "server_error", code, (2, 3)) for code in (502, 503, 529)),
    # Asked again with the image converted, and without the schema, before it is given up; among the
    # first requests also without all optional parts.
    *((status(code), "client_error", code, (3, 4)) for code in (400, 405, 415, 422, 501)),
    (status(413), "client_error", 413, 1),
    # One alone may be about that record; two running are about the endpoint (see ENDING).
    (status(401), "auth", 401, 1),
    (status(403), "auth", 403, 1),
    (status(404), "model", 404, 1),
    (status(402), "quota", 402, 1),
    (status(500, headers=[("x-should-retry", "false")], name="500, x-should-retry: false"),
     "server_error", 500, 1),
    (faults.OPENAI_REFUSAL, "refused", 200, 1),
    (faults.CONTENT_FILTER, "refused", 200, 1),
]


@pytest.mark.parametrize("step", "01")
@pytest.mark.parametrize("fault, kind, http_status, attempts", STAYING,
                         ids=[row[0].name for row in STAYING])
def test_staying_fault_fails_its_records_alone(fault, kind, http_status, attempts, step, make_job,
                                               endpoint, data, undisturbed):
    endpoint.script = unlucky(step, fault)
    timeout = 0.6 if kind == "timeout" and not http_status else 30
    job = make_job(**QUICK, vlm__openai__timeout=timeout)
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert "failures.jsonl" in done.stderr and f"{LOST[step]} {kind}" in done.stderr, done.stderr
    failed = [(f["step"], f["kind"], f["http_status"]) for f in job.failures()]
    assert failed == [(step, kind, http_status)] * LOST[step], job.failures()
    sent = len(endpoint.faults)
    assert sent in (attempts if isinstance(attempts, tuple) else (attempts,))
    assert {f["attempts"] for f in job.failures()} == {sent}
    assert needs_no_more(endpoint, data.needed - 1 + sent)
    errors = [label for label in job.labels() if "error" in label]
    assert len(job.labels()) == data.records and len(errors) == LOST[step]
    assert job.summary()["records"]["failed"] == LOST[step]
    heals(job, endpoint, undisturbed, MISSING[step])


@pytest.mark.parametrize("fault", [faults.RESET, faults.CLOSE], ids=lambda fault: fault.name)
def test_connections_that_die_without_a_byte(fault, make_job, endpoint, data, undisturbed):
    """Kept alive or not: each request that was sent is one that is counted. On a connection that was kept alive
    the server may not have seen it: that uses up no retry, three times."""
    endpoint.script = unlucky("0", fault)
    job = make_job(**QUICK)
    assert job.run().returncode == 0
    assert [f["kind"] for f in job.failures()] == ["transport"]
    attempts = job.failures()[0]["attempts"]
    assert 2 <= attempts == len(endpoint.faults) <= 5
    assert len(endpoint.requests) == job.summary()["requests"]["sent"]
    assert needs_no_more(endpoint, data.needed - 1 + attempts)
    heals(job, endpoint, undisturbed, MISSING["0"])


BAD_IMAGE = gemini_error(400, "Unable to process input image.", "INVALID_ARGUMENT")
GEMINI_STAYING = [(faults.GEMINI_SAFETY, "refused", 200), (faults.GEMINI_BLOCKED, "refused", 200),
                  (status(400, BAD_IMAGE), "client_error", 400)]


@pytest.mark.parametrize("fault, kind, http_status", GEMINI_STAYING,
                         ids=[row[0].name for row in GEMINI_STAYING])
def test_gemini_declines_one_record(fault, kind, http_status, make_job, endpoint, data,
                                    undisturbed):
    endpoint.script = unlucky("0", fault)
    job = make_job("gemini")
    assert job.run().returncode == 0
    sent = len(endpoint.faults)
    assert sent in ((3, 4) if kind == "client_error" else (1,))
    assert [(f["kind"], f["http_status"], f["attempts"]) for f in job.failures()] == [
        (kind, http_status, sent)]
    assert needs_no_more(endpoint, data.needed - 1 + sent)
    heals(job, endpoint, undisturbed, MISSING["0"])


@pytest.mark.parametrize("fault, attempts", [(faults.CHATTER, 3), (status(500), 6)],
                         ids=["unusable answers", "server errors"])
def test_default_number_of_tries(fault, attempts, make_job, endpoint, data):
    """Two more for an unusable answer, five for anything else that may pass."""
    hinted = status(500, headers=[("retry-after-ms", "1")]) if fault.name == "500" else fault
    endpoint.script = unlucky("0", hinted)
    job = make_job()
    assert job.run().returncode == 0
    sent = len(endpoint.faults)
    assert [f["attempts"] for f in job.failures()] == [sent]
    assert sent - attempts in (0, 1)  # one without all optional parts, if it was among the first
    assert needs_no_more(endpoint, data.needed - 1 + sent)


def test_too_many_failures_end_the_run_as_failed(make_job, endpoint, data, undisturbed):
    endpoint.script = lambda request: status(422) if "thing 0" not in request.asked[0] else None
    job = make_job()
    done = job.run()
    assert done.returncode == 1
    assert "max_failure_ratio" in done.stderr and "failures.jsonl" in done.stderr, done.stderr
    assert [f["kind"] for f in job.failures()] == ["client_error"] * (data.records - 2)
    heals(job, endpoint, undisturbed, missing=data.needed - 3)


# --- What is fatal: the run ends, and goes on later ---

DAILY_QUOTA = [{"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}]

# (backend, fault, words of the message). Served from the eighth request on.
ENDING = [
    ("openai", status(401, name="bare 401 twice"), "API key"),
    ("openai", status(403, name="bare 403 twice"), "API key"),
    ("openai", status(404, name="bare 404 twice: the model is gone"), "vlm.openai.model_name (chaos)"),
    ("openai", status(401, openai_error("Incorrect API key provided", code="invalid_api_key"),
                      name="invalid_api_key"), "API key"),
    ("openai", status(404, openai_error("The model `chaos` does not exist", code="model_not_found"),
                      name="model_not_found"), "vlm.openai.model_name (chaos)"),
    ("openai", status(429, openai_error("You exceeded your quota", code="insufficient_quota"),
                      name="insufficient_quota"), "billing"),
    ("gemini", status(400, gemini_error(400, "API key not valid.", "INVALID_ARGUMENT",
                                        [{"reason": "API_KEY_INVALID"}]), name="API_KEY_INVALID"),
     "API key"),
    ("gemini", status(429, gemini_error(429, "Quota exceeded", "RESOURCE_EXHAUSTED", DAILY_QUOTA,
                                        in_list=True), name="daily quota"), "billing"),
]


@pytest.mark.parametrize("backend, fault, words", ENDING, ids=[row[1].name for row in ENDING])
def test_fatal_fault_ends_the_run(backend, fault, words, make_job, endpoint, data, undisturbed):
    # Good answers take their time, so that some are in flight when the run ends.
    endpoint.latency = 0.1
    endpoint.script = lambda request: fault if request.number >= 8 else None
    job = make_job(backend)
    done = job.run()
    assert done.returncode == 1
    assert words in done.stderr, done.stderr
    assert len(endpoint.requests) <= 8 + 2 * 4, "at once: what was in flight, and no more"
    assert job.summary()["status"] == "failed"
    assert not (job.results / "annotations.jsonl").exists(), "nothing half is published"
    heals(job, endpoint, undisturbed, missing=data.needed - 7)


@pytest.mark.parametrize("code", [401, 403, 404])
def test_two_apart_are_not_two_running(code, make_job, endpoint, data, undisturbed):
    unlucky_ones = ("thing 0.0 and part 0.0.",), ("thing 3.0 and part 3.0.",)
    endpoint.script = lambda request: status(code) if request.asked in unlucky_ones else None
    job = make_job(workflow__max_workers=1)
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert [f["http_status"] for f in job.failures()] == [code, code]
    heals(job, endpoint, undisturbed, missing=4)


def test_no_server_listens(make_job, endpoint, data, undisturbed):
    job = make_job(vlm__startup_patience=2)
    done = job.run(settings={"vlm__openai__base_url": "http://127.0.0.1:1/v1"})
    assert done.returncode == 1
    assert "waiting up to 2 s for it (image_grounding.vlm.startup_patience)" in done.stderr
    assert "cannot be reached" in done.stderr and "base_url" in done.stderr
    heals(job, endpoint, undisturbed, missing=data.needed)


@pytest.mark.parametrize("backend", ["openai", "gemini"])
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirect_takes_no_key_along(code, backend, make_job, endpoint, data, undisturbed):
    with FaultyEndpoint() as elsewhere:
        endpoint.script = lambda request: redirect(elsewhere.url + request.path, code)
        job = make_job(backend)
        done = job.run()
        assert done.returncode == 1
        assert elsewhere.requests == [], "not even without the key: the images would go along"
        assert elsewhere.url in done.stderr and "base_url" in done.stderr
        assert len(endpoint.requests) <= WORKERS
    heals(job, endpoint, undisturbed, missing=data.needed)


# --- Rate limits ---

@pytest.mark.parametrize("name", faults.rate_limits())
def test_rate_limit_waits_as_long_as_asked(name, make_job, endpoint, data, undisturbed):
    fault, wait = faults.rate_limits()[name]
    endpoint.script = unlucky("0", fault, times=1)
    job = make_job(**{"vlm__max_retries": 0})
    done = job.run()
    assert done.returncode == 0, done.stderr
    first, second = [r for r in endpoint.requests if QUESTIONS["0"](r)]
    assert wait <= second.at - first.at <= wait + 3
    assert len(endpoint.requests) == data.needed + 1
    assert job.outputs() == undisturbed


@pytest.mark.parametrize("headers", [[("retry-after-ms", "20")], []], ids=["hinted", "unhinted"])
def test_rate_limits_use_up_no_retries(headers, make_job, endpoint, data, undisturbed):
    """Some questions are turned away twice, by 429 and by a 503 that names a wait."""
    patient = status(503, headers=[("retry-after-ms", "20")])
    turns = {1: status(429, headers=headers), 2: patient}
    endpoint.script = lambda r: turns.get(r.attempt) if "thing 1" in r.asked[0] else None
    job = make_job(vlm__max_retries=0)
    done = job.run()
    assert done.returncode == 0, done.stderr
    refused = data.captions_each + 1  # each caption of the image, and the image
    assert len(endpoint.requests) == data.needed + 2 * refused
    assert job.outputs() == undisturbed


def test_rate_limit_without_end_fails_when_patience_ends(make_job, endpoint, undisturbed):
    endpoint.script = unlucky("0", status(429, headers=[("Retry-After", "3600")]))
    job = make_job(vlm__rate_limit_patience=1)
    begun = time.monotonic()
    assert job.run().returncode == 0
    assert time.monotonic() - begun < 10, "the hint of an hour is not waited for"
    assert [(f["kind"], f["attempts"]) for f in job.failures()] == [("rate_limited", 1)]
    heals(job, endpoint, undisturbed, MISSING["0"])
