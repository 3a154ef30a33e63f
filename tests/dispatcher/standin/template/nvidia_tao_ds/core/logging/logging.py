import json
import logging as _logging

logging = _logging.getLogger("TAO Data-service")


class StatusLogger:
    def __init__(self, path=None):
        self.path = path
        self.kpi = {}

    def write(self, data=None, status_level="RUNNING", verbosity_level="INFO", message=None):
        if self.path is None:
            return
        record = {"status": status_level, "verbosity": verbosity_level, "message": message}
        if data or self.kpi:
            record.update(data=data, kpi=self.kpi)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


_status = StatusLogger()


def get_status_logger():
    return _status


def set_status_logger(status):
    global _status
    _status = status
