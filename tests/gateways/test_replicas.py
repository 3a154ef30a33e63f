"""Several demo teachers as replicas of one model."""

import re
import threading
import time


def base_urls(teachers):
    return "[" + ",".join(teacher.url + "/v1" for teacher in teachers) + "]"


def run_on(teachers, make_job, **settings):
    return make_job(teachers[0], vlm__openai__base_url=base_urls(teachers),
                    **{"workflow__max_workers": 30} | settings)


def test_replicas_share_the_requests(start_teacher, make_job, data):
    teachers = [start_teacher("--delay-ms", "100") for _ in range(3)]
    job = run_on(teachers, make_job)
    done = job.run()
    assert done.returncode == 0, done.stderr
    counts = [endpoint["requests"] for endpoint in job.summary()["endpoints"]]
    assert sum(counts) == data.needed == sum(teacher.requests for teacher in teachers)
    assert max(counts) - min(counts) <= 0.1 * data.needed, counts


def test_requests_of_an_image_go_to_one_replica(start_teacher, make_job, data):
    teachers = [start_teacher("--delay-ms", "50") for _ in range(3)]
    job = run_on(teachers, make_job)
    assert job.run().returncode == 0
    asked = [set(re.findall(r"thing (\d+)\.", teacher.log.read_text())) for teacher in teachers]
    assert sum(len(images) for images in asked) == data.images, "each image at one of them"
    assert len(set().union(*asked)) == data.images


def test_one_dies_and_comes_back(start_teacher, make_job, data):
    teachers = [start_teacher("--delay-ms", "300") for _ in range(3)]
    job = run_on(teachers, make_job, workflow__max_workers=12)

    def restart():
        teachers[1].process.kill()
        teachers[1].process.wait()
        time.sleep(2)  # away: what is asked of it now is refused
        start_teacher("--delay-ms", "300", port=teachers[1].port)

    threading.Timer(1.5, restart).start()
    done = job.run()
    assert done.returncode == 0, done.stderr
    summary = job.summary()
    assert summary["records"]["failed"] == 0
    assert [endpoint["outages"] > 0 for endpoint in summary["endpoints"]] == [False, True, False]
    assert "no longer answers" in done.stderr and "answers again" in done.stderr
