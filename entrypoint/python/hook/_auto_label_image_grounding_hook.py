"""Runs at the start of every interpreter of this environment: imports nothing but sys.

Waits for three modules of TAO and has `auto_label_image_grounding._registration` look at each, once
it has run. Any other import passes by untouched, and so does any trouble of ours.
"""
import sys

_DECORATORS = "nvidia_tao_ds.core.decorators"
_WATCHED = frozenset((
    "nvidia_tao_core.config.auto_label.default_config",
    "nvidia_tao_ds.config.auto_label.default_config",
    _DECORATORS,
))


def _register(module):
    try:
        from auto_label_image_grounding import _registration
        _registration.patch(module)
    except Exception as error:  # mal and the rest must run as if we were not there
        sys.stderr.write("auto_label_image_grounding: not registered with %s: %s: %s\n"
                         % (module.__name__, type(error).__name__, error))


def _spec_of_others(name, path, target):
    for finder in sys.meta_path:
        if finder is not _FINDER and hasattr(finder, "find_spec"):
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                return spec
    return None


class _Finder:
    """Lets the other finders find, and adds a step after the module's execution."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in _WATCHED and not name.startswith(_DECORATORS + "."):
            return None
        spec = _spec_of_others(name, path, target)
        execute = getattr(getattr(spec, "loader", None), "exec_module", None)
        if execute is None:
            return spec

        def exec_module(module):
            execute(module)
            _register(module)

        try:  # On the instance, so that the loader keeps its type for inspect and pkgutil.
            spec.loader.exec_module = exec_module
        except AttributeError:
            pass
        return spec


_FINDER = _Finder()


def installed():
    return _FINDER in sys.meta_path


if not installed():
    sys.meta_path.insert(0, _FINDER)
