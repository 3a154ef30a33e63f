"""An API key that came as an override or in the spec is in no file and no line of output.

After a good run and after a failure, in each layout: test_generate.py.
"""
from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
import yaml
from runs import KEY, KEY_OVERRIDE, check_hidden, check_passed, run_child


@pytest.mark.parametrize("override", [
    f"vlm.gemini={{api_key:{KEY}}}",
    f"image_grounding.vlm.openai={{api_key:{KEY}",
    KEY_OVERRIDE + " image_grounding.vlm.no_such_key=1",
    f"image_grounding.vlm.openai.api_kay={KEY}",
    f"image_grounding.vlm.openai={{api_key:{KEY},model_nome:x}}",
    f"+image_grounding.vlm.openai.api_key={KEY}",
    f"image_grounding.vlm.openai.extra_body.authorization={KEY}"
    " image_grounding.vlm.no_such_key=1",
])
def test_where_hydra_refuses_an_override(tao_d, job, override):
    done = run_child(tao_d, job, *override.split(" "), fails=True)
    check_hidden(job, done)


@pytest.mark.parametrize("override", [
    f"+image_grounding.vlm.gemini.api_kay={KEY}", f"+image_grounding.vlm.gemini.token={KEY}",
    f"image_grounding.vlm.openai.base_url=me:{KEY}@127.0.0.1:9/v1",
    f"image_grounding.vlm.openai.base_url=\"'htp//x?api_key={KEY}'\"",
])
def test_where_our_own_check_refuses_an_override(tao_d, job, override):
    """By then 7.3.0 has saved the merged config."""
    done = run_child(tao_d, job, override, fails=True)
    check_hidden(job, done)
    assert "image_grounding.vlm." in job.status()[-1]["message"]


def test_where_the_spec_cannot_be_read(tao_d, job):
    (job.folder / "broken.yaml").write_text(
        "autolabel_type: image_grounding\nimage_grounding:\n  vlm:\n    gemini:\n"
        f"      api_key: {KEY}: oh\n")
    done = run_child(tao_d, job, spec="broken.yaml", fails=True)
    check_hidden(job, done)
    assert "line 5" in done.stderr


def test_a_token_in_extra_body_is_used_and_hidden(tao_d, job):
    done = run_child(tao_d, job, f"+image_grounding.vlm.openai.extra_body.metadata.token={KEY}")
    assert job.teacher.last.document["metadata"] == {"token": KEY}
    check_hidden(job, done)


def test_a_header_is_used_and_hidden(tao_d, job):
    done = run_child(tao_d, job, f"+image_grounding.vlm.openai.extra_headers.X-Tenant={KEY}")
    assert job.teacher.last.headers["x-tenant"] == KEY
    check_hidden(job, done)


def test_after_an_interruption(tao, job):
    job.teacher.hold()
    parent = tao.start("auto_label", "generate", "-e", str(job.write_spec()),
                       f"results_dir={job.results}", KEY_OVERRIDE, cwd=job.folder)
    assert job.teacher.arrived.wait(120)
    parent.send_signal(signal.SIGTERM)
    job.teacher.release()
    output, _ = parent.communicate(timeout=60)
    check_hidden(job, subprocess.CompletedProcess(parent.args, parent.returncode, output, ""))


def test_a_key_in_the_spec(long_tao, job):
    spec = job.spec()
    spec["image_grounding"]["vlm"]["openai"]["api_key"] = KEY
    spec["image_grounding"]["vlm"]["gemini"] = {"base_url": f"http://me:{KEY}@127.0.0.1:9"}
    (job.folder / "keyed.yaml").write_text(json.dumps(spec))
    done = long_tao.run("auto_label", "generate", "-e", "./keyed.yaml", cwd=job.folder)
    check_passed(done)
    assert job.teacher.last_key == f"Bearer {KEY}"
    check_hidden(job, done)


def test_a_short_key_and_one_from_the_environment(tao_d, job):
    done = run_child(tao_d, job, "image_grounding.vlm.openai.api_key=demo",
                     "image_grounding.vlm.gemini.api_key=${oc.env:MY_OWN_KEY}",
                     "image_grounding.data.input_jsonl=/no/such.jsonl", env={"MY_OWN_KEY": KEY},
                     fails=True)
    check_hidden(job, done)
    assert "api_key=demo" not in done.stdout
    # What says nothing stays: the saved config can be used again.
    assert "${oc.env:MY_OWN_KEY}" in (job.results / "experiment.yaml").read_text()


def test_a_spec_beside_the_results_stays(long_tao, job):
    job.results.mkdir()
    spec = job.results / "experiment.yaml"
    written = "# mine\n" + json.dumps(job.spec())
    spec.write_text(written)
    for _ in range(2):
        run_child(long_tao, job, spec="results/experiment.yaml")
        assert spec.read_text() == written
    saves = long_tao.layout.name == "7.3.0"
    merged = job.results / "experiment.merged.yaml"
    assert merged.exists() == saves
    if saves:
        assert yaml.safe_load(merged.read_text())["image_grounding"]["workflow"]["max_workers"] == 4


def test_what_the_frame_saved_itself_is_replaced(tao_d, job):
    for workers in (2, 3):
        run_child(tao_d, job, f"image_grounding.workflow.max_workers={workers}")
        saved = yaml.safe_load((job.results / "experiment.yaml").read_text())
        assert saved["image_grounding"]["workflow"]["max_workers"] == workers
    assert not (job.results / "experiment.merged.yaml").exists()
    # Edited, it is the user's.
    edited = (job.results / "experiment.yaml").read_text() + "# mine\n"
    (job.results / "experiment.yaml").write_text(edited)
    run_child(tao_d, job)
    assert (job.results / "experiment.yaml").read_text() == edited


def test_a_merged_config_of_the_users_stays_too(tao_d, job):
    job.results.mkdir()
    for name in ("experiment.yaml", "experiment.merged.yaml"):
        (job.results / name).write_text(f"# {name}: mine\n")
    (job.results / "experiment.yaml").chmod(0o444)
    run_child(tao_d, job)
    for name in ("experiment.yaml", "experiment.merged.yaml"):
        assert (job.results / name).read_text() == f"# {name}: mine\n"


def test_what_is_no_plain_file_stays(tao_d, job):
    """A link (to a file that the frame saved once), a pipe, a folder."""
    run_child(tao_d, job)
    path, target = job.results / "experiment.yaml", job.folder / "target.yaml"
    path.rename(target)
    saved = target.read_bytes()
    for workers, make, remove in ((2, lambda: path.symlink_to("../target.yaml"), path.unlink),
                                  (3, lambda: os.mkfifo(path), path.unlink),
                                  (5, path.mkdir, path.rmdir)):
        make()
        run_child(tao_d, job, f"image_grounding.workflow.max_workers={workers}")
        assert target.read_bytes() == saved
        merged = yaml.safe_load((job.results / "experiment.merged.yaml").read_text())
        assert merged["image_grounding"]["workflow"]["max_workers"] == workers
        remove()  # fails if it is not what was made


def test_a_saved_config_that_is_the_spec_of_this_run_stays(tao_d, job):
    run_child(tao_d, job)
    spec = job.results / "experiment.yaml"
    saved = spec.read_bytes()
    run_child(tao_d, job, "image_grounding.data.input_jsonl=/no/such.jsonl",
              spec="results/experiment.yaml", fails=True)
    assert spec.read_bytes() == saved


OPENAI = "image_grounding.vlm.openai"
HARD_TO_HIDE = [
    rf"{OPENAI}.api_key={KEY}\,tail-of-it", rf"{OPENAI}.api_key='{KEY}\'tail-of-it'",
    rf"{OPENAI}.api_key={KEY}\ tail-of-it", f"{OPENAI}={{api_key:  {KEY} tail-of-it}}",
    f"{OPENAI}.extra_body.bearer={KEY}", f"{OPENAI}.extra_body={{api_keys:[{KEY},x]}}",
    f"{OPENAI}.extra_body={{headers:[{{name:Authorization,value:{KEY}}}]}}",
    f"{OPENAI}.base_url=http://me:a@{KEY}@127.0.0.1:9/v1",
    f"{OPENAI}.base_url='http://127.0.0.1:9/v1?api_key={KEY}'",
    f"api_key={KEY}", f"image_groundng.vlm.openai.api_key={KEY}", f"{OPENAI}.api_key:{KEY}",
    f"image_grounding/vlm/openai/api_key={KEY}", f"{OPENAI}.api_key=[{KEY}]",
    # Blocks that stand elsewhere, or are not closed; two arguments of one text.
    f"vlm.gemini={{api_key:{KEY}}}", f"vlm={{gemini:{{api_key:{KEY}}}}}",
    f"image-grounding={{vlm:{{gemini:{{api_key:{KEY}}}}}}}", f"{OPENAI}={{api_key:{KEY}",
    f"{OPENAI}={{api_key:'{KEY} tail-of-it", f"{OPENAI}={{api_key:\t{KEY}}}", f"+x={{y:'api_key={KEY}",
    # URLs that are none, and their parameters.
    f"{OPENAI}.base_url=me:{KEY}@127.0.0.1:9/v1", f"{OPENAI}.base_url={KEY}@127.0.0.1:9/v1",
    f"{OPENAI}.base_url='htp//x?api_key={KEY}'", f"{OPENAI}.base_url=http:/me:{KEY}@x/v1",
    *(f"{OPENAI}.base_url='http://127.0.0.1:9/v1?a=b&{name}={KEY}'"
      for name in ("X-Signature", "auth", "code", "sig", "subscription-key", "access_token")),
    # Headers: whatever their names.
    f"{OPENAI}.extra_headers={{X-Tenant:{KEY}}}", f"+{OPENAI}.extra_headers.X-Tenant={KEY}",
    f"{OPENAI}.extra_headers={{a:b,X-Tenant:'{KEY} tail-of-it'}}", f"{OPENAI}.extra_headers={KEY}",
    f"{OPENAI}.extra_headers={{X-Tenant:{KEY}", f"+{OPENAI}.extra_heders={{X-Tenant:{KEY}}}",
    f"+{OPENAI}.extra_header.X-Tenant={KEY}",
    # Names that other services use.
    *(f"+image_grounding.vlm.gemini.{name}={KEY}" for name in ("key", "token", "api_kay", "apiKey")),
    *(f"+{OPENAI}.extra_body.{name}={KEY}" for name in (
        "metadata.token", "ocp-apim-subscription-key", "secret_key", "aws_secret_access_key", "auth",
        "X-Auth-Token", "credentials.user", "password")),
    # Blanks that slipped in, for one shell or for two.
    f"{OPENAI}.api_key=\t{KEY}", f"{OPENAI}.api_key=Bearer\t{KEY}", f"{OPENAI}.api_key=\t-{KEY}",
    f"{OPENAI}.api_key=Bearer {KEY}", f"{OPENAI}.extra_body.headers.Authorization=Bearer\t{KEY}",
    # In the text of free-form blocks; other pairs.
    f"+{OPENAI}.extra_body.headers=['Authorization: Bearer {KEY}']",
    f"+{OPENAI}.extra_body.headers=[[Authorization,{KEY}]]",
    f"+{OPENAI}.extra_body.h={{header_name:Authorization,header_value:{KEY}}}",
    f"+{OPENAI}.extra_body.config='{{\"api_key\": \"{KEY}\"}}'",
    f"+{OPENAI}.extra_body.client_secret_value={KEY}",
    *(f"+{OPENAI}.extra_body.{name}={KEY}" for name in ("clientsecret", "MYSECRET", "openaiapikey")),
    f"+{OPENAI}.extra_body.password={{db:'pw@ss!{KEY}'}}", f"+{OPENAI}.extra_body.token='tok${KEY}!y'",
    f"+{OPENAI}.extra_body.headers={{X-Auth:'Bearer {KEY}'}}",
    f"+{OPENAI}.extra_body.command='serve --api-key {KEY}'",
    f"+{OPENAI}.extra_body.text='<api_key>{KEY}</api_key>'",
    f"+{OPENAI}.extra_body.h={{name:Authorization,value:{KEY},enabled:true}}",
    f"+{OPENAI}.extra_body.h=[Authorization,'Bearer {KEY}',Accept,json]",
    f"+{OPENAI}.extra_body.proxy=usr:{KEY}@proxy.example:8080",
    f"+{OPENAI}.extra_body.dsn='postgres://usr:a/{KEY}@db/x'",
    f"image_grounding.data.input_jsonl='https://user:{KEY}@host.example/in.jsonl'",
    f"image_grounding.data.image_root='https://acct.example/c?sv=2024&sig={KEY}'",
    *(f"{OPENAI}.base_url='{url}'" for url in (
        f"http://x:9/v1?auth[token]={KEY}",
        f"http://me:a/{KEY}@127.0.0.1:9", f"http://me:a?{KEY}@127.0.0.1:9", f"http://me:my {KEY}@x:9",
        f"http://x:9/v1?authorization=Bearer {KEY}", f"http://x:9/v1?{KEY}")),
    f"{OPENAI}.api_key:{KEY}==", f"{OPENAI}.extra_body={{metadata:{{token:{KEY}}}}}"]
HARMLESS = [f"{OPENAI}.max_tokens=100000000", f"{OPENAI}.extra_body.max_new_token=123456789",
            f"{OPENAI}.extra_body={{stop_token:'</s></s>'}}", f"mal.api_key={KEY}",
            f"{OPENAI}.extra_body={{image_token:'<|image_pad|>',user:me@example.org}}",
            f"{OPENAI}.base_url='https://host.example/v1?api-version=2024-05-01-preview'",
            f"{OPENAI}.model_name=org/token:model-7b", f"{OPENAI}.model_name=qwen2.5vl:7b@sha256:ab12",
            f"{OPENAI}.model_name=models//team@v2/cosmos", "results_dir=/tmp//alice@corp.com/results",
            "results_dir=run-12:30@nodeA", "image_grounding.data.image_root=/tmp//a@b/c",
            f"{OPENAI}.extra_body.user=mailto:me@example.org", f"{OPENAI}.extra_body.note='see //note@here'",
            f"{OPENAI}.extra_body.prompt_cache_key=image-grounding-v1",
            f"{OPENAI}.extra_body.bos_token=begin_of_text_1", f"{OPENAI}.extra_body.api_ver=v2",
            f"{OPENAI}.extra_body={{caption_key:text,map_key:bbox,sample_key:id,topic_key:a}}",
            f"{OPENAI}.extra_body.output_keys=[bounding_boxes_2d,reasoning_content]",
            f"{OPENAI}.extra_body.pass=second-pass-2024",
            f"{OPENAI}.extra_body={{schema:{{properties:{{password:{{type:string,description:'A word'}}}}}}}}",
            f"{OPENAI}.extra_body={{tools:[{{name:get_password,description:'finds one'}}]}}",
            f"{OPENAI}.base_url=https://host:8443/v1/@cf/meta", "image_grounding.data.image_root=/data/key=1/x",
            "image_grounding.prompts.expression_extraction='Token: of/the/path'"]
SHOW = """
import json, sys
from nvidia_tao_ds.config.auto_label import default_config
from auto_label_image_grounding import _secrets, _shown
for argument in json.loads(sys.argv[1]):
    _shown._hidden.clear()
    _shown.hide(_secrets.in_overrides(argument.split("\\t")))
    for part in argument.split("\\t"):
        print([part], part, end=" ")
    print()
"""


def test_whatever_way_an_override_is_written(tao_d, tmp_path):
    done = tao_d.run("python", "-c", SHOW, json.dumps(HARD_TO_HIDE + HARMLESS), cwd=tmp_path)
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert len(lines) == len(HARD_TO_HIDE + HARMLESS), done.stderr
    for line in lines[:len(HARD_TO_HIDE)]:
        assert KEY not in line and "tail-of-it" not in line, line
    for argument, line in zip(HARMLESS, lines[len(HARD_TO_HIDE):]):
        assert line == f"{[argument]} {argument}"


def test_nothing_harmless_is_taken_out_of_what_is_saved(tao_d, job):
    spec = job.spec()
    body = {"stop_token": "</s>", "chat_template_kwargs": {"start_token": "abc"},
            "headers": [{"name": "Authorization", "value": KEY}], "x-api-key": KEY,
            "more": ["Authorization: Bearer " + KEY], "pair": ["Authorization", KEY], "alias": KEY,
            "config": json.dumps({"api_key": KEY}), "user": "mailto:me@example.org",
            "properties": {"password": {"type": "string", "description": "A word"}},
            "reference": "0123abcd" * 25_000}  # long, without a blank
    spec["image_grounding"]["vlm"]["openai"]["extra_body"] = body
    (job.folder / "keyed.yaml").write_text(json.dumps(spec))
    run_child(tao_d, job, spec="keyed.yaml")
    assert job.teacher.last.document["headers"] == body["headers"]
    saved = (job.results / "experiment.yaml").read_text()
    kept = yaml.safe_load(saved)["image_grounding"]["vlm"]["openai"]["extra_body"]
    assert KEY not in saved
    for name in ("stop_token", "chat_template_kwargs", "user", "properties", "reference"):
        assert kept[name] == body[name]


def test_another_type_may_use_a_key_in_our_block(tao_d, job):
    """It has the key; what is saved of our block has not."""
    run_child(tao_d, job)
    spec = job.spec(autolabel_type="image_referring_expression")
    spec["image_grounding"]["vlm"]["openai"]["api_key"] = KEY
    spec["image_referring_expression"] = {
        "vlm": {"backend": "openai", "openai": {
            "base_url": job.teacher.base_url, "model_name": "stand-in",
            "api_key": "${image_grounding.vlm.openai.api_key}"}},
        "workflow": {"steps": ["1"]},
        "data": {"input_annotations_jsonl": str(job.results / "annotations.jsonl")}}
    (job.folder / "keyed.yaml").write_text(json.dumps(spec))
    run_child(tao_d, job, f"results_dir={job.folder / 'other'}", spec="keyed.yaml")
    assert job.teacher.last_key == f"Bearer {KEY}"
    saved = (job.folder / "other" / "experiment.yaml").read_text()
    assert "image_referring_expression" in saved and KEY not in saved


@pytest.mark.parametrize("kind", ["image_groundng", "mal"])
def test_in_a_run_of_another_type(tao_d, job, kind):
    """Also a misspelt one: the frame saves its merged config too."""
    spec = job.spec(autolabel_type=kind)
    spec["image_grounding"]["vlm"]["openai"]["api_key"] = KEY
    (job.folder / "keyed.yaml").write_text(json.dumps(spec))
    done = run_child(tao_d, job, spec="keyed.yaml", fails=kind != "mal")
    check_hidden(job, done)
    assert "stand-in" in (job.results / "experiment.yaml").read_text()
