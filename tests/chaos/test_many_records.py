"""10,000 records through an endpoint that fails three requests of ten."""

import random

import faults
from faults import status
from labelling import Job, make_data
from support.project import read_jsonl

IMAGES, CAPTIONS_EACH = 500, 20
SHARE = 0.3
MOST_FAULTS = 3  # of one question
AT_ONCE = [("retry-after-ms", "1")]

# (fault, weight). Faults without a hint are rarer: the wait after them is the program's own choice.
UNUSABLE = [(faults.EMPTY, 1), (faults.CHATTER, 1), (faults.BAD_UTF8, 1), (faults.HTML, 1)]
OTHERS = [(status(500, headers=AT_ONCE), 8), (status(502, faults.HTML_PAGE, AT_ONCE), 8),
          (status(409, headers=AT_ONCE), 5), (status(425, headers=AT_ONCE), 5),
          (status(429, headers=AT_ONCE), 3), (status(503, headers=[("Retry-After", "0")]), 3),
          (status(529, headers=AT_ONCE), 1), (status(408, headers=AT_ONCE), 1),
          (status(429, faults.exhausted("0.001s", in_list=True)), 1),
          (faults.RESET, 2), (faults.RESET_IN_BODY, 2), (faults.CUT_CHUNKS, 2), (faults.NO_GZIP, 1)]


def three_of_ten(request):
    """Depends on the question and the attempt alone, not on the order of arrival."""
    if request.attempt > MOST_FAULTS:
        return None
    chance = random.Random(f"{request.key} {request.attempt}")
    if chance.random() >= SHARE:
        return None
    # An unusable answer is asked for three times at most: a third one would fail the record.
    rows = OTHERS + (UNUSABLE if request.attempt < MOST_FAULTS else [])
    return chance.choices([row[0] for row in rows], [row[1] for row in rows])[0]


def test_ten_thousand_records(endpoint, tmp_path):
    data = make_data(tmp_path / "data", IMAGES, CAPTIONS_EACH)
    endpoint.script = three_of_ten
    job = Job(tmp_path / "job", data, endpoint, workflow__max_workers=64)
    done = job.run(timeout=240)
    assert done.returncode == 0, done.stderr
    served = len(endpoint.faults)
    print(done.stdout, f"{served} faults among {len(endpoint.requests)} requests")
    assert 0.25 < served / len(endpoint.requests) < 0.35
    assert max(request.attempt for request in endpoint.requests) == MOST_FAULTS + 1
    assert len(endpoint.requests) == data.needed + served
    assert len(endpoint.answered) == data.needed, "every answer is used: none is paid for twice"

    assert job.failures() == []
    labels = job.labels()
    assert [label["cleaned_caption"] for label in labels] == data.captions, "each once, in order"
    for given, label in zip(read_jsonl(data.folder / "captions.jsonl"), labels):
        assert label["weight"] == given["weight"] and "error" not in label
        assert [len(expression["instances"]) for expression in label["expressions"]] == [1, 1]
    ids = [expression["expression_id"] for label in labels for expression in label["expressions"]]
    assert len(set(ids)) == 2 * data.records

    with_faults = job.outputs()
    endpoint.heal()
    assert job.run().returncode == 0
    assert endpoint.requests == []
    undisturbed = Job(tmp_path / "undisturbed", data, endpoint, workflow__max_workers=64)
    assert undisturbed.run().returncode == 0
    assert undisturbed.outputs() == with_faults
