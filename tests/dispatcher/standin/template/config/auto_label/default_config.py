from dataclasses import dataclass
from typing import List

from nvidia_tao_ds.layout import STOCK

from ..utils.types import DATACLASS_FIELD, FLOAT_FIELD, INT_FIELD, LIST_FIELD, STR_FIELD


@dataclass
class MalConfig:
    checkpoint: str = STR_FIELD("", description="weights")


@dataclass
class GroundingDinoConfig:
    threshold: float = FLOAT_FIELD(0.3, description="score")


@dataclass
class CommonConfig:
    gpu_ids: List[int] = LIST_FIELD([0])
    num_gpus: int = INT_FIELD(1)
    batch_size: int = INT_FIELD(4)
    num_workers: int = INT_FIELD(8)
    autolabel_type: str = STR_FIELD("mal")
    mal: MalConfig = DATACLASS_FIELD(MalConfig())
    grounding_dino: GroundingDinoConfig = DATACLASS_FIELD(GroundingDinoConfig())
    results_dir: str = STR_FIELD("???")


@dataclass
class StockGemini:
    media_resolution: str = STR_FIELD("MEDIA_RESOLUTION_LOW")


@dataclass
class StockVlm:
    backend: str = STR_FIELD("gemini")
    gemini: StockGemini = DATACLASS_FIELD(StockGemini())


@dataclass
class StockWorkflow:
    max_workers: int = INT_FIELD(4)
    long_video_chunk: int = INT_FIELD(30)


@dataclass
class StockImageGrounding:
    vlm: StockVlm = DATACLASS_FIELD(StockVlm())
    workflow: StockWorkflow = DATACLASS_FIELD(StockWorkflow())


if STOCK:

    @dataclass
    class ExperimentConfig(CommonConfig):
        image_grounding: StockImageGrounding = DATACLASS_FIELD(StockImageGrounding())

        def __post_init__(self):
            assert self.autolabel_type in ("mal", "grounding_dino", "image_grounding")

else:

    @dataclass
    class ExperimentConfig(CommonConfig):
        def __post_init__(self):
            assert self.autolabel_type in ("mal", "grounding_dino")
