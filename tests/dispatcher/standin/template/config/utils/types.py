"""dataclasses.field with metadata, as a schema generator wants it."""
from dataclasses import field


def _of(kind, value, meta):
    meta = {"value_type": kind, **meta}
    if kind in ("list", "collection"):
        return field(default_factory=lambda: value, metadata=meta)
    return field(default=value, metadata=meta)


def STR_FIELD(value, **meta):
    return _of("string", value, meta)


def INT_FIELD(value, **meta):
    return _of("int", value, meta)


def FLOAT_FIELD(value, **meta):
    return _of("float", value, meta)


def BOOL_FIELD(value, **meta):
    return _of("bool", value, meta)


def LIST_FIELD(arrList, **meta):
    return _of("list", arrList, meta)


def DATACLASS_FIELD(hashed, **meta):
    return _of("collection", hashed, meta)
