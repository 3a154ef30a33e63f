import functools
import os
import sys

from hydra.core.config_store import ConfigStore
from hydra.main import main as hydra_main


def hydra_runner(config_path, config_name="generate", schema=None):
    def decorate(task):
        @functools.wraps(task)
        def wrapped():
            path, name = config_path, config_name
            if "--config-path" in sys.argv:
                path = sys.argv[sys.argv.index("--config-path") + 1]
            if "--config-name" in sys.argv:
                name = sys.argv[sys.argv.index("--config-name") + 1]
                sys.argv[sys.argv.index("--config-name") + 1] = os.path.splitext(name)[0]
            name = os.path.splitext(name)[0]
            # Hydra 1.3 merges a stored schema of the spec's own name under the spec.
            ConfigStore.instance().store(name=name, node=schema)
            sys.argv += ["hydra.run.dir=.", "hydra.output_subdir=null"]
            hydra_main(config_path=path, config_name=name, version_base="1.1")(task)()

        return wrapped

    return decorate
