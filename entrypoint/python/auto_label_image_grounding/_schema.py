"""Our block of `ExperimentConfig`, built from spec_keys.json, the table that the pipeline itself uses."""
from __future__ import annotations

import copy
import dataclasses
import importlib
import json
import os
from typing import Any

from ._common import TYPE

_PYTHON_TYPES = {"str": str, "int": int, "float": float, "bool": bool,
                 # Any, for steps may come as text or as numbers: `steps=["0"]` arrives as [0].
                 "list": list[Any], "dict": dict[str, Any], "str_or_list": Any}
_HELPERS = {"str": "STR_FIELD", "int": "INT_FIELD", "float": "FLOAT_FIELD", "bool": "BOOL_FIELD",
            "list": "LIST_FIELD", "dict": "DICT_FIELD", "str_or_list": "STR_FIELD"}


def spec_keys() -> list[dict[str, Any]]:
    path = os.path.join(os.path.dirname(__file__), "spec_keys.json")
    with open(path, encoding="utf-8") as file:
        keys: list[dict[str, Any]] = json.load(file)
    return keys


def experiment_config(base: type) -> type:
    """A subclass of TAO's `ExperimentConfig` whose field `image_grounding` is our block."""
    helpers = _field_helpers(base.__module__)
    block = _block("ImageGrounding", _tree(spec_keys()), helpers)
    fields = [(TYPE, block, _block_field(block, helpers, "Settings of image grounding"))]
    return dataclasses.make_dataclass(
        base.__name__,
        fields + _type_field(base),
        bases=(base,),
        namespace={"__module__": base.__module__, "__doc__": base.__doc__,
                   "__post_init__": _accepting(base)})


def _type_field(base: type) -> list[tuple[str, Any, Any]]:
    """`autolabel_type` with ours among its options, which TAO's API makes an enum of."""
    field = {field.name: field for field in dataclasses.fields(base)}.get("autolabel_type")
    if field is None:
        return []
    options = field.metadata.get("valid_options")
    if not isinstance(options, str) or TYPE in options.split(","):
        return []
    metadata = {**field.metadata, "valid_options": f"{options},{TYPE}"}
    return [(field.name, field.type, dataclasses.field(default=field.default, metadata=metadata))]


def _accepting(base: type) -> Any:
    def __post_init__(self: Any) -> None:
        check = getattr(base, "__post_init__", None)
        if check is None:
            return
        given = self.autolabel_type
        # All checks but the one of the type's name stay: that one sees a name that it knows.
        if given == TYPE:
            self.autolabel_type = _default(
                {field.name: field for field in dataclasses.fields(base)}["autolabel_type"])
        try:
            check(self)
        finally:
            self.autolabel_type = given

    return __post_init__


def _field_helpers(module: str) -> Any:
    """TAO's own field functions (`<root>.config.utils.types`), or None: an older or newer layout."""
    try:
        return importlib.import_module(module.partition(".config.")[0] + ".config.utils.types")
    except ImportError:
        return None


def _tree(keys: list[dict[str, Any]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key in keys:
        *parents, name = key["path"].split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = dataclasses.make_dataclass("Key", list(key), frozen=True)(**key)
    return tree


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _block(name: str, tree: dict[str, Any], helpers: Any) -> type:
    fields: list[tuple[str, Any, Any]] = []
    for key, node in tree.items():
        if isinstance(node, dict):
            child = _block(name + key.title().replace("_", ""), node, helpers)
            fields.append((key, child, _block_field(child, helpers, f"Settings of {key}")))
        else:
            fields.append((key, _PYTHON_TYPES[node.type], _value_field(node, helpers)))
    block = dataclasses.make_dataclass(name, fields, namespace={"__module__": __name__})
    globals()[name] = block  # where pickle looks for it
    return block


def _open_dict(value: dict[str, Any]) -> Any:
    """A dict to which Hydra takes new keys without a `+`, as the native program does."""
    from omegaconf import DictConfig

    return DictConfig(value, flags={"struct": False})


def _value_field(key: Any, helpers: Any) -> Any:
    field = _field(helpers, _HELPERS[key.type], key.default, _metadata(key))
    if key.type != "dict":
        return field
    return dataclasses.field(default_factory=lambda: _open_dict(key.default),
                             metadata=field.metadata)


def _block_field(block: type, helpers: Any, description: str) -> Any:
    return _field(helpers, "DATACLASS_FIELD", block(), {"description": description})


def _metadata(key: Any) -> dict[str, Any]:
    number = int if key.type == "int" else float
    metadata: dict[str, Any] = {"display_name": key.path.rpartition(".")[2].replace("_", " "),
                                "description": key.description, "default_value": key.default}
    if key.min is not None:
        metadata["valid_min"] = number(key.min)
    if key.max is not None:
        metadata["valid_max"] = number(key.max)
    if key.options and key.type == "str":
        metadata["valid_options"] = ",".join(key.options)
    return metadata


def _field(helpers: Any, name: str, value: Any, metadata: dict[str, Any]) -> Any:
    """TAO's helper where it makes a field with our default out of it, else a plain field."""
    try:
        field = getattr(helpers, name)(value, **metadata)
        if isinstance(field, dataclasses.Field) and _default(field) == value:
            return field
    except (AttributeError, TypeError, ValueError):
        pass
    if isinstance(value, (list, dict)) or dataclasses.is_dataclass(value):
        return dataclasses.field(default_factory=lambda: copy.deepcopy(value), metadata=metadata)
    return dataclasses.field(default=value, metadata=metadata)
