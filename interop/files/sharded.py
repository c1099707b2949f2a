"""A checkpoint in several files, with an index file (``*.index.json``) that says which tensor is where."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .faults import Exceeded, Forbidden, Malformed, OtherKind, named
from .limits import Limits
from .safetensors_file import parse_json
from .source import Source


def read_sharded(source: Source, limits: Limits, read: Callable[[Path], Mapping[str, Any]]) -> dict[str, Any]:
    """The tensors of all files that the index names.

    Args:
        source: The index file.
        limits: Bounds on its size.
        read: Reads one of the files.

    Raises:
        Fault: The index is damaged, or names files elsewhere.
        FileError: One of the files cannot be read.
    """
    if len(source.data) > limits.header_bytes:
        raise Exceeded(f"is an index of {len(source.data):,} bytes, more than {limits.header_bytes:,}")
    weight_map = parse_json(bytes(source.data), limits).get("weight_map")
    if not isinstance(weight_map, dict):
        raise OtherKind("is a JSON file without a weight_map, so no checkpoint's index")
    shards: dict[str, Mapping[str, Any]] = {}
    tensors = {}
    for name, shard in weight_map.items():
        if not isinstance(shard, str) or not shard or shard in (".", "..") or set(shard) & set("/\\\0:"):
            raise Forbidden(f"names the file {named(shard)}, which is not beside it")
        if shard not in shards:
            shards[shard] = read(source.path.parent / shard)
        if name not in shards[shard]:
            raise Malformed(f"says that {named(name)} is in {named(shard)}, which does not hold it")
        tensors[name] = shards[shard][name]
    return tensors
