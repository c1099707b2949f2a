"""Shows what was found as a tree."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from interop.files.faults import printable

from .findings import ArrayFound, Findings, brief

# Levels of the tree; a name with more dots keeps the rest of them. Letters up to which names are aligned.
_LEVELS, _LETTERS = 12, 60
_GUIDE = 4


@dataclass
class Node:
    """A place in the checkpoint.

    Attributes:
        children: What is below it.
        array: The array there, if one is.
        text: The value there, if one is.
    """

    children: dict[str, "Node"] = field(default_factory=dict)
    array: ArrayFound | None = None
    text: str = ""


def show(found: Findings) -> None:
    """Print everything to standard output, by itself: to import rich takes longer than to read a file."""
    text = "\n".join(_lines(found))
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding))


def _lines(found: Findings) -> Iterator[str]:
    size = f", {human_bytes(found.file_bytes)}" if found.file_bytes is not None else ""
    yield f"{found.path}: {found.format}{size}"
    root = _grown(found)
    names = max((len(name) + _GUIDE * depth for name, depth in _names(root, 1)), default=0)
    kinds = max((len(array.dtype) for array in found.arrays), default=0)
    yield from _drawn(root, min(names, _LETTERS), kinds, "")
    yield _totals(found)
    for name, text in found.metadata.items():
        yield f"metadata {name}: {brief(text)}"
    for note in found.notes:
        yield f"note: {printable(note)}"
    for model in found.models:
        yield f"model: {model}"


def _grown(found: Findings) -> Node:
    root = Node()
    places = {entry["place"]: _training(found, entry) for entry in found.training if entry["place"]}
    inside = tuple(f"{place}{mark}" for place in places for mark in ".[")
    for array in found.arrays:
        if not array.name.startswith(inside):
            _at(root, array.name).array = array
    for place, text in places.items():
        _at(root, place).text = text
    for name, value in found.values.items():
        if not name.startswith(inside):
            _at(root, name).text = f"= {brief(value)}"
    return _merged(root)


def _training(found: Findings, entry: dict[str, Any]) -> str:
    """An optimizer in one line instead of its hundreds of moments."""
    rates = entry["learning_rates"]
    parts = [entry["kind"]]
    if entry["step"] is not None:
        parts.append(f"{'epoch' if entry['scheduler'] else 'step'} {entry['step']:,}")
    if rates:
        parts.append(f"learning rate {', '.join(f'{rate:g}' for rate in dict.fromkeys(rates))}")
    below = [array for array in found.arrays if array.name.startswith((f"{entry['place']}.", f"{entry['place']}["))]
    if below:
        size = human_bytes(sum(array.bytes or 0 for array in below))
        parts.append(f"{_count(len(below), 'array')} for {_count(entry['parameters'], 'parameter')}, {size}")
    return f"= {', '.join(parts)}"


def _at(root: Node, place: str) -> Node:
    node = root
    for part in place.split(".", _LEVELS):
        node = node.children.setdefault(part, Node())
    return node


def _merged(node: Node) -> Node:
    """The tree with chains of single children drawn as one."""
    children = {}
    for name, child in node.children.items():
        merged = _merged(child)
        while len(merged.children) == 1 and merged.array is None and not merged.text:
            (below, merged), *_ = merged.children.items()
            name = f"{name}.{below}"
        children[name] = merged
    return Node(children, node.array, node.text)


def _names(node: Node, depth: int) -> Iterator[tuple[str, int]]:
    for name, child in node.children.items():
        if child.array is not None or (child.children and not child.text):
            yield name, depth
        yield from _names(child, depth + 1)


def _drawn(node: Node, names: int, kinds: int, above: str) -> Iterator[str]:
    for count, (name, child) in enumerate(node.children.items(), 1):
        last = count == len(node.children)
        label = f"{name:<{max(names - _GUIDE - len(above), 0)}}  "
        if child.array is not None:
            label = f"{label if name else '(the tensor)  '}{_columns(child.array, kinds)}"
        elif child.text:
            label = f"{name or '(the value)'} {child.text}"
        elif arrays := list(_arrays(child)):
            size = human_bytes(sum(array.bytes or 0 for array in arrays))
            label += f"{_count(len(arrays), 'array'):<{19 + kinds}} {size:>9}"
        yield f"{above}{'└── ' if last else '├── '}{label.rstrip()}"
        yield from _drawn(child, names, kinds, f"{above}{'    ' if last else '│   '}")


def _columns(array: ArrayFound, kinds: int) -> str:
    shape = "unknown" if array.shape is None else "×".join(map(str, array.shape)) or "scalar"
    size = "" if array.bytes is None else human_bytes(array.bytes)
    after = f"  shares memory with {array.shares_memory_with}" if array.shares_memory_with else ""
    if array.sha256:
        after += f"  sha256 {array.sha256}"
    return f"{shape:<18} {array.dtype:<{kinds}} {size:>9}{after}"


def _arrays(node: Node) -> Iterator[ArrayFound]:
    for child in node.children.values():
        if child.array is not None:
            yield child.array
        yield from _arrays(child)


def _totals(found: Findings) -> str:
    text = f"{_count(len(found.arrays), 'array')}, {_count(found.numbers, 'number')}, {human_bytes(found.array_bytes)}"
    if found.stored_bytes is not None and found.stored_bytes != found.array_bytes:
        text += f" ({human_bytes(found.stored_bytes)} stored: arrays share memory, or show a part of it)"
    kinds: dict[str, int] = {}
    for array in found.arrays:
        kinds[array.dtype] = kinds.get(array.dtype, 0) + 1
    if len(kinds) > 1:
        text += "; " + ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
    return text


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def human_bytes(count: int) -> str:
    """A size as people read it, in powers of 1000."""
    if count < 1000:
        return f"{count} B"
    size = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        if size < 999.95 or unit == "TB":
            break
    return f"{size:.1f} {unit}"
