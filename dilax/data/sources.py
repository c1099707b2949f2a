"""Data sets by name: a checkpoint stores the name and the options, and that is enough to find the data again."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin, get_type_hints

from ..errors import ArgumentError, nearest
from . import built_in, cityscapes, folder, nifti, voc
from .bad_samples import BadSamples
from .source import Source

_WORDS = {str: "strings", int: "integers", float: "numbers"}

_Load = Callable[[Any, BadSamples], Source]

#: Name to the type of its options and to what loads it.
SOURCES: dict[str, tuple[type[Any], _Load]] = {
    "cityscapes": (cityscapes.CityscapesOptions, cityscapes.load_cityscapes),
    "folder": (folder.FolderOptions, folder.load_folder),
    "mni152": (built_in.Mni152Options, built_in.load_mni152_source),
    "nifti": (nifti.NiftiOptions, nifti.load_nifti),
    "shapes": (built_in.ShapesOptions, built_in.load_shapes_source),
    "shapes_2d": (built_in.Shapes2dOptions, built_in.load_shapes_2d_source),
    "voc": (voc.VocOptions, voc.load_voc),
}


def source_options(name: str) -> type[Any]:
    """The frozen dataclass of the options of the source called ``name``.

    Raises:
        ArgumentError: There is no such source.
    """
    return _lookup("source_options", name)[0]


def load_source(
    name: str, options: Mapping[str, Any] | None = None, *, bad_samples: str = "raise", skip_limit: int = 10
) -> Source:
    """Load a source by its name; files of images are read only when they are asked for.

    Args:
        name: One of :data:`SOURCES`; ``"voc:/data/VOC2012"`` is short for the option ``path``.
        options: Fields of ``source_options(name)``; the others keep their defaults.
        bad_samples: ``"raise"`` an error where an image or its labels cannot be used, or ``"skip"`` them: another
            sample takes the place.
        skip_limit: Bad samples that may be skipped; one more is an error.

    Raises:
        ArgumentError: No such source, no such option, or a value out of range.
        FileError: A file of the layout is missing.
        MissingDependency: The data comes with a package that is not installed.
    """
    name, colon, path = name.partition(":")
    config, load = _lookup("load_source", name)
    fields = [field.name for field in dataclasses.fields(config)]
    given = dict(options or {})
    if colon and given.setdefault("path", path) != path:
        raise ArgumentError(
            "load_source", "options", given["path"], f"is another path than {path!r}", "say the path once"
        )
    for option in given:
        if option not in fields:
            raise ArgumentError(
                "load_source", "options", option, f"is no option of {name}{nearest(option, fields)}",
                f"pass some of {', '.join(fields)}",
            )  # fmt: skip
    types = get_type_hints(config)
    values = {option: _checked(name, option, value, types[option]) for option, value in given.items()}
    return load(config(**values), BadSamples(bad_samples, skip_limit))


def _checked(source: str, option: str, value: Any, kind: Any) -> Any:
    """The value as the option has it; JSON and TOML have lists where options have tuples."""
    element = get_args(kind)[0] if get_origin(kind) is tuple else None
    fits = (
        isinstance(value, list | tuple) and all(_is(part, element) for part in value) if element else _is(value, kind)
    )
    if not fits:
        wanted = f"list of {_WORDS[element]}" if element else _WORDS[kind][:-1]
        raise ArgumentError("load_source", f"{source}.{option}", value, f"is no {wanted}", "pass one")
    return tuple(value) if element else value


def _is(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _lookup(function: str, name: str) -> tuple[type[Any], _Load]:
    if name not in SOURCES:
        raise ArgumentError(
            function, "name", name, f"is no data source{nearest(name, SOURCES)}",
            f"pass one of {', '.join(sorted(SOURCES))}",
        )  # fmt: skip
    return SOURCES[name]
