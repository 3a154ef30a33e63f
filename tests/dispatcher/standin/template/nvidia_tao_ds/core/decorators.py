import functools
import os

from omegaconf.errors import OmegaConfBaseException

from nvidia_tao_ds.core.logging.logging import StatusLogger, get_status_logger, set_status_logger

RECORDED = (
    ((ValueError, TypeError), "Parameter validation error: ", True),
    (NotImplementedError, "Feature not implemented: ", True),
    (OmegaConfBaseException, "Configuration error: ", True),
    (OSError, "File system error: ", True),
    ((KeyboardInterrupt, SystemError), "Interrupted: ", False),
)


def _failure(error):
    for kinds, text, again in RECORDED:
        if isinstance(error, kinds):
            get_status_logger().write(status_level="FAILURE", message=f"{text}{error}")
            return again
    return True


def monitor_status(name="auto_label", mode="train"):
    def decorate(runner):
        @functools.wraps(runner)
        def wrapped(cfg, **kwargs):
            os.makedirs(cfg.results_dir, exist_ok=True)
            set_status_logger(StatusLogger(os.path.join(cfg.results_dir, "status.json")))
            get_status_logger().write(status_level="STARTED", message=f"Starting {name} {mode}")
            try:
                runner(cfg, **kwargs)
            except BaseException as error:
                if _failure(error):
                    raise
            else:
                get_status_logger().write(message=f"{mode} finished successfully")

        return wrapped

    return decorate
