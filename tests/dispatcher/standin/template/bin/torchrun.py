import os
import subprocess
import sys

count = int(sys.argv[1].removeprefix("--nproc-per-node="))
ranks = [
    subprocess.Popen(
        ["python", *sys.argv[2:]],
        env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count),
             "TORCHELASTIC_RUN_ID": "none"})
    for rank in range(count)
]
sys.exit(max(rank.wait() for rank in ranks))
