"""LiteLLM's proxy, with the demo teacher as its provider."""

import shutil
import time

import pytest
from checks import ends_at_once, in_mid_run, labels_all, labels_all_while
from servers import HERE, LiteLlm
from support.demo_teacher import DemoTeacher

# At one proxy: each takes seconds to start.
TOGETHER = pytest.mark.xdist_group("litellm")
KEYS_TOGETHER = pytest.mark.xdist_group("litellm keys")

MASTER_KEY = "sk-5e1f0c7b9a2d4e6880aa13579bdf2468"
WRONG_KEY = "sk-wrong-7731-okapi-zebra"
PROVIDERS_KEY = "sk-of-the-provider-4711"
MINUTE = 60
PER_MINUTE = 75
WORKERS = 8
# To wait uses up no retries. One is for a connection that the proxy, as it does after five idle seconds,
# closes in the moment in which it is used again.
FEW_RETRIES = {"vlm__max_retries": 1}


def model(name, teacher, **parameters):
    return {"model_name": name, "litellm_params": {
        "model": "openai/demo-teacher", "api_base": teacher.url + "/v1", "api_key": PROVIDERS_KEY} | parameters}


def config(teacher, **changed):
    return {
        "model_list": [
            model("demo-teacher", teacher),
            model("limited", teacher, rpm=PER_MINUTE),
            # One question is more than it may cost a day.
            model("spent", teacher, max_budget=1e-6, budget_duration="1d", input_cost_per_token=1e-5,
                  output_cost_per_token=1e-5)],
        "router_settings": {"optional_pre_call_checks": ["enforce_model_rate_limits"]},
        "general_settings": {"master_key": MASTER_KEY}} | changed


def start(folder, provider, environment=(), **changed):
    folder.mkdir()
    shutil.copy(HERE / "litellm_keys.py", folder)
    return LiteLlm(folder, config(provider, **changed), **dict(environment))


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    teacher = DemoTeacher(tmp_path_factory.mktemp("provider"), "--delay-ms", "50")
    yield teacher
    teacher.stop()


@pytest.fixture(scope="module")
def proxy(provider, tmp_path_factory):
    running = start(tmp_path_factory.mktemp("litellm") / "proxy", provider)
    yield running
    running.kill()


@pytest.fixture(scope="module")
def proxy_with_keys(provider, tmp_path_factory):
    """Its keys are those of litellm_keys.py, and a "minute" takes twelve seconds."""
    running = start(
        tmp_path_factory.mktemp("litellm") / "proxy", provider, {"LITELLM_RATE_LIMIT_WINDOW_SIZE": "12"},
        general_settings={"master_key": MASTER_KEY, "custom_auth": "litellm_keys.check",
                          "custom_auth_run_common_checks": True},
        litellm_settings={"enable_post_custom_auth_checks": True})
    yield running
    running.kill()


@pytest.fixture
def start_proxy(tmp_path):
    running = []

    def start_one(provider):
        running.append(start(tmp_path / "proxy", provider))
        return running[-1]

    yield start_one
    for proxy in running:
        proxy.kill()


@pytest.fixture
def job_for(make_job):
    def make(proxy, *data, **settings):
        return make_job(proxy, *data, **{"workflow__max_workers": WORKERS} | settings)
    return make


def test_rate_limit_of_a_model(start_proxy, job_for, half_the_data, teacher):
    """So many requests in a minute of the clock; a 429 names no time to wait."""
    proxy = start_proxy(teacher)
    left = MINUTE - time.time() % MINUTE
    if left < 7:  # the minute could end before the limit is reached
        time.sleep(left)
    job = job_for(proxy, half_the_data, vlm__openai__model_name="limited", **FEW_RETRIES)
    requests = labels_all(job, OPENAI_API_KEY=MASTER_KEY)
    assert teacher.requests == half_the_data.needed
    assert half_the_data.needed < requests["sent"] <= 1.15 * half_the_data.needed + WORKERS


def test_proxy_is_killed_and_started_again(start_proxy, start_teacher, job_for, data):
    slow = start_teacher("--delay-ms", "100")
    proxy = start_proxy(slow)

    def restart(run):
        in_mid_run(slow, data.needed / 4, run)
        proxy.kill()
        time.sleep(5)
        proxy.start()  # takes five more and longer

    requests = labels_all_while(job_for(proxy), restart, OPENAI_API_KEY=MASTER_KEY)
    assert slow.requests <= data.needed + WORKERS, "what was in flight is asked for again, and no more"
    assert requests["sent"] <= data.needed + 15 * WORKERS


@KEYS_TOGETHER
def test_rate_limit_of_a_key(proxy_with_keys, provider, job_for, half_the_data):
    """40 requests in a window; every 429 names the whole window as the time to wait."""
    before = provider.requests
    job = job_for(proxy_with_keys, half_the_data, **FEW_RETRIES)
    requests = labels_all(job, OPENAI_API_KEY="sk-40-requests")
    windows = half_the_data.needed / 40
    assert provider.requests - before == half_the_data.needed
    assert half_the_data.needed < requests["sent"] <= half_the_data.needed + windows * WORKERS


@KEYS_TOGETHER
def test_limit_of_parallel_requests(proxy_with_keys, provider, job_for, half_the_data):
    before = provider.requests
    job = job_for(proxy_with_keys, half_the_data, **FEW_RETRIES)
    requests = labels_all(job, OPENAI_API_KEY="sk-4-at-once")
    assert provider.requests - before == half_the_data.needed
    assert requests["sent"] <= 1.5 * half_the_data.needed


@KEYS_TOGETHER
@pytest.mark.parametrize("key, words", [("sk-expired", ["API key", "Expired Key"]),
                                        ("sk-for-another-model", ["not available for this API key"])])
def test_useless_key_ends_the_run(key, words, proxy_with_keys, job_for):
    ends_at_once(job_for(proxy_with_keys), words, OPENAI_API_KEY=key)


@TOGETHER
def test_records_are_labelled_through_it(proxy, provider, job_for, data):
    before = provider.requests
    requests = labels_all(job_for(proxy), OPENAI_API_KEY=MASTER_KEY)
    assert requests["sent"] == provider.requests - before == data.needed


@TOGETHER
def test_wrong_key_ends_the_run(proxy, job_for):
    """Without a database LiteLLM says "No connected db." of a key that is not its master key."""
    job = job_for(proxy)
    done = ends_at_once(job, ["API key", "OPENAI_API_KEY"], OPENAI_API_KEY=WRONG_KEY)
    for place, content in job.all_text(done).items():
        assert WRONG_KEY.encode() not in content, place


@TOGETHER
def test_unknown_model_ends_the_run(proxy, job_for):
    ends_at_once(job_for(proxy, vlm__openai__model_name="no-such-model"),
                 ["image_grounding.vlm.openai.model_name", "no-such-model"], OPENAI_API_KEY=MASTER_KEY)


@TOGETHER
def test_spent_budget_ends_the_run(proxy, job_for, half_the_data):
    """LiteLLM counts what a model has cost a moment after its answer, and says 429 then, without a hint: it
    may be a limit that passes."""
    job = job_for(proxy, half_the_data, vlm__openai__model_name="spent", vlm__rate_limit_patience=5)
    done = job.run(environment={"OPENAI_API_KEY": MASTER_KEY}, timeout=45)
    assert done.returncode == 1
    assert "crossed budget" in done.stderr, done.stderr
    assert job.summary()["status"] == "failed"
