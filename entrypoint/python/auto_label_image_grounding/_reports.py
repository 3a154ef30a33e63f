"""The shapes of what the functions of this package return. All counts are whole numbers.

Boxes are [x_min, y_min, x_max, y_max] in pixels of the image after its EXIF rotation; an IoU is
between 0 and 1; character spans are [begin, end) in Unicode code points.
"""
from __future__ import annotations

from typing import Any, TypedDict


class Progress(TypedDict):
    """How far a run has come."""

    records: int
    finished: int  # done or failed
    failed: int
    requests: int  # sent so far, retries included
    in_flight: int  # requests


class RecordCounts(TypedDict):
    total: int  # of the input
    done: int
    failed: int
    bad_lines: int  # lines of the input that are no record; not part of `total`


class RequestCounts(TypedDict):
    sent: int  # retries included
    retries: int
    lowest_concurrency: int  # the fewest requests in flight that the endpoint was limited to


class TokenCounts(TypedDict):
    input: int
    output: int
    thinking: int
    cached: int  # of `input`


class StepSummary(TypedDict):
    from_checkpoint: int  # records
    failed: int  # records
    requests: int
    retries: int
    failed_attempts: int  # requests
    tokens: TokenCounts


class EndpointSummary(TypedDict):
    base_url: str
    requests: int
    failed_attempts: int  # requests
    outages: int
    sent_otherwise: dict[str, str]  # part of a request -> its form, or "left out"


class Summary(TypedDict):
    """summary.json: what a run has done."""

    status: str  # "succeeded"; a run that ends otherwise raises
    message: str
    version: str
    backend: str
    model: str
    coordinates: dict[str, Any]
    records: RecordCounts
    images: int
    expressions: int
    boxes: int
    requests: RequestCounts
    endpoints: list[EndpointSummary]
    tokens: TokenCounts
    steps: dict[str, StepSummary]  # "0", "1"
    failures_by_kind: dict[str, int]
    labels: dict[str, int]
    answer_repairs: dict[str, int]
    pictures: dict[str, int]  # facts about the images
    checkpoints: dict[str, int]
    warnings: list[str]
    timing: dict[str, Any]  # started_at: ISO 8601; seconds


class DryRun(TypedDict):
    """What a run would find and ask for."""

    records: int
    bad_lines: int
    images: int
    unreadable_images: int
    affected_records: int  # those that need an image that cannot be read
    earlier_failures: int  # step 1 alone: records that failed in step 0
    requests: dict[str, int]  # "extraction", "grounding": without retries and split lists
    finished: dict[str, int]  # "extraction", "grounding": taken from checkpoints
    tokens: dict[str, float]  # "image", "prompt": estimates
    complaints: list[str]  # the first bad lines and unreadable images
    endpoint: str  # what is known about it
    endpoint_warning: str  # what may make a run fail nevertheless; "" if nothing


class WorstPhrase(TypedDict):
    mean_iou: float
    truth_line: int  # from 1
    annotation_line: int  # from 1; 0 = the record has no annotation
    image_path: str
    phrase: str
    found: bool
    truth_boxes: list[list[float]]
    predicted_boxes: list[list[float]]


class Evaluation(TypedDict):
    """How good annotations are, compared with the truth."""

    records: dict[str, Any]
    phrases: dict[str, int]
    boxes: dict[str, int]
    recall: dict[str, float]  # threshold of the IoU ("0.5") -> recall
    precision: dict[str, float]
    mean_iou: float  # over all boxes of the truth; a missed one counts as 0
    mean_matched_iou: float
    pointing: dict[str, float]
    spans: dict[str, float]
    worst: list[WorstPhrase]  # the lowest mean IoU first
    problems: list[str]  # false spans, missing or extra records: the first 20
    unlisted_problems: int
