"""The inputs that the fuzzer begins with: files of every format, and pickles that try what files try."""

import io
import pickle
import struct
import tempfile
from collections import OrderedDict
from pathlib import Path

import numpy as np

import interop
from tests.interop.files import hostile

_FIXTURES = Path(__file__).parents[1] / "interop" / "files" / "fixtures"

#: Words that the fuzzer puts into its inputs.
WORDS = (
    *(b"storage", b"cpu", b"torch\nFloatStorage\n", b"torch\nLongStorage\n", b"torch.storage\nUntypedStorage\n"),
    *(b"torch\nfloat32\n", b"torch\nSize\n", b"torch\ndevice\n", b"collections\nOrderedDict\n"),
    *(f"torch._utils\n_rebuild_{name}\n".encode() for name in ("tensor_v2", "tensor_v3", "parameter", "qtensor")),
    *(b"torch._tensor\n_rebuild_from_type_v2\n", b"torch.storage\n_load_from_bytes\n", b"_codecs\nencode\n"),
    *(b"numpy\ndtype\n", b"numpy._core.multiarray\nscalar\n", b"numpy._core.multiarray\n_reconstruct\n"),
    *(b"_parameters", b"_buffers", b"_modules", b"_metadata", b"param_groups", b"last_epoch", b"_step_count"),
    *(b"os\nsystem\n", b"__builtin__\nset\n", b"builtins\ncomplex\n", b"pathlib\nPosixPath\n", b"little_endian"),
    *(b"__builtin__\ngetattr\n", b"datetime\ndatetime\n", b"collections\ndeque\n", b"theirs\nKind\n", b"a." * 20),
    *(b"data_offsets", b"__metadata__", b"weight_map", b"PK\5\6", b"PK\1\2", b"PK\3\4", b"PK\6\6", b"PK\6\7"),
)


def seeds() -> list[bytes]:
    """All of them."""
    files = [path.read_bytes() for path in sorted(_FIXTURES.iterdir()) if path.suffix != ".py"]
    files += [_written("a.pth"), _written("a.safetensors"), b'{"weight_map": {"a": "one.safetensors"}}']
    files += [pickle.dumps(_plain(), protocol) for protocol in (2, 4, 5)]
    pickles = [hostile.PICKLES[name] for name in sorted(hostile.PICKLES)]
    pickles += [hostile.LAUGHS[name] for name in sorted(hostile.LAUGHS)]
    pickles += [hostile.PROTO + hostile.module([hostile.module([])]) + b".", *_pickles()]
    headers = [hostile.SAFETENSORS[name][8:] for name in sorted(hostile.SAFETENSORS)]
    headers.append(b'{"%s":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}' % (b"a." * 400))
    found = [b"r" + file for file in files] + [kind + pickled for pickled in pickles for kind in (b"z", b"r")]
    found += [b"s" + header for header in headers] + [b"t" + _tar()]
    return [seed for seed in found if len(seed) < 10_000]


def _written(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        interop.write(Path(folder) / name, {"a": np.arange(6, dtype=np.float16).reshape(2, 3), "b": np.ones(2)})
        return (Path(folder) / name).read_bytes()


def _plain() -> object:
    return {
        "epoch": 3,
        "lr": 0.5,
        "name": "häé",
        "nested": [(1, 2.5, None, True), {"a": [b"ab", 2**70, 1 + 2j]}, {1, 2}, OrderedDict(a=1)],
        "numpy": [np.arange(6).reshape(2, 3), np.float32(2), np.arange(3, dtype=">i2"), np.array(["a", "bc"])],
        "path": Path("a/b"),
    }


def _pickles() -> list[bytes]:
    """Pickles of tensors, by hand: there need be no PyTorch."""
    text = hostile.text

    def storage(cls: bytes, key: bytes, count: int) -> bytes:
        return b"(" + text(b"storage") + b"c" + cls + b"\n" + text(key) + text(b"cpu") + b"K" + bytes([count]) + b"tQ"

    def tensor(cls: bytes, key: bytes, count: int) -> bytes:
        hooks = b"\x89ccollections\nOrderedDict\n)RtR"
        return (
            b"ctorch._utils\n_rebuild_tensor_v2\n("
            + storage(cls, key, count)
            + b"K\x00K\x02K\x03\x86K\x03K\x01\x86"
            + hooks
        )

    floats, longs = tensor(b"torch\nFloatStorage", b"0", 16), tensor(b"torch\nByteStorage", b"1", 8)
    newer = (
        b"ctorch._utils\n_rebuild_tensor_v3\n(" + storage(b"torch.storage\nUntypedStorage", b"0", 64)
        + b"K\x00K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)Rctorch\nuint16\ntR"
    )  # fmt: skip
    parameter = b"ctorch._utils\n_rebuild_parameter\n(" + floats + b"\x88ccollections\nOrderedDict\n)RtR"
    values = b"".join(text(b"%d" % n) + value for n, value in enumerate((floats, longs, newer, parameter)))
    kind = b"ctheirs\nKind\nK\x01\x85R"  # a member of an enumeration
    date = b"cdatetime\ndatetime\n" + text(b"2026") + b"\x85R"
    queue = b"ccollections\ndeque\n)K\x04\x86R(" + floats + kind + b"e"
    method = b"c__builtin__\ngetattr\nctheirs\nNet\n" + text(b"forward") + b"\x86R"
    sets = b"c__builtin__\nfrozenset\n](K\x01" + kind + b"e\x85R"
    others = b"K\x00" + floats + kind + date + b"K\x01" + queue + text(b"m") + method + text(b"s") + sets
    nested = b"](}(" + text(b"net") + hostile.module([]) + b"ue"
    return [
        hostile.PROTO + body + b"."
        for body in (b"}(" + values + b"u", floats, b"}(" + others + b"u", b"}(K\x00" + floats + b"u", nested)
    ]


def _tar() -> bytes:
    storages = io.BytesIO()
    storages.write(
        pickle.dumps(1, 2) + hostile.PROTO + b"K\x00" + hostile.text(b"cpu") + b"ctorch\nFloatStorage\n\x87."
    )
    storages.write(struct.pack("<q", 4) + bytes(16) + pickle.dumps([(7, 0, 1, 2)], 2))
    tensors = (
        pickle.dumps(1, 2)
        + hostile.PROTO
        + b"K\x01K\x07ctorch\nFloatTensor\n\x87."
        + struct.pack("<iiqqq", 1, 0, 2, 1, 0)
    )
    return b"\xff\xfe\xfd".join((storages.getvalue(), tensors, hostile.PROTO + b"}" + hostile.text(b"a") + b"K\x01Qs."))
