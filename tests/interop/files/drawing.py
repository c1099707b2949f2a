"""Checkpoints that hypothesis makes: every dtype, layout and way to share memory, nested, beside plain values."""

from collections import OrderedDict

import numpy as np
import torch
from hypothesis import strategies as st

DTYPES = [
    *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"),
]
# What PyTorch had when it wrote tar archives.
OLDEST_DTYPES = ["uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]

_NUMPY_DTYPES = ["?", "i1", "<i2", ">i4", "<u8", "<f2", ">f4", "<f8", "<c8", "<U3", "S2"]
_TEXTS = st.text(max_size=5) | st.sampled_from(["", "häé", "\udc80", "a.b", "0"])
_PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    _TEXTS,
    st.binary(max_size=5),
    st.complex_numbers(allow_nan=False),
    st.builds(torch.Size, st.lists(st.integers(0, 2**40), max_size=4)),
    st.sampled_from([getattr(torch, name) for name in DTYPES]),
    st.sampled_from(["cpu", "cuda:1", "meta", "mps:0"]).map(torch.device),
)


@st.composite
def bases(draw, dtypes):
    """A few one-dimensional tensors of random bits; the others of a checkpoint are views of them."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        dtype = getattr(torch, draw(st.sampled_from(dtypes)))
        count = draw(st.integers(0, 40))
        raw = torch.from_numpy(
            np.random.default_rng(draw(st.integers(0, 2**20))).integers(0, 256, count * dtype.itemsize, np.uint8)
        )
        found.append(raw % 2 == 0 if dtype is torch.bool else raw.view(dtype) if count else torch.empty(0, dtype=dtype))
    return found


@st.composite
def views(draw, base):
    """A view of ``base``: any shape and strides that stay inside it, a scalar, nothing, one number many times."""
    count = base.numel()
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    if not count and 0 not in shape:
        shape.append(0)
    strides, room = [], max(count - 1, 0)
    for length in shape:
        strides.append(draw(st.integers(0, room // (length - 1) if length > 1 else 5)))
        room -= strides[-1] * max(length - 1, 0)
    return base.as_strided(shape, strides, draw(st.integers(0, room)))


@st.composite
def tensors(draw, pool):
    """A view, as it is, conjugated, negated by a lazy mark, or as a parameter."""
    view = draw(views(draw(st.sampled_from(pool))))
    kinds = ["plain"] * 3 + ["parameter"] * (view.is_floating_point() and view.dtype.itemsize > 1)
    kinds += ["conjugate", "negative"] * view.is_complex()
    kind = draw(st.sampled_from(kinds))
    if kind == "parameter":
        return torch.nn.Parameter(view, requires_grad=draw(st.booleans()))
    if kind == "negative":  # torch.save takes no storage that is looked at as two dtypes
        return view.clone().conj().imag
    return view.conj() if kind == "conjugate" else view


@st.composite
def arrays(draw):
    """A NumPy array or number, also of the other byte order, of texts, or in columns."""
    dtype = np.dtype(draw(st.sampled_from(_NUMPY_DTYPES)))
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    array = np.arange(int(np.prod(shape))).astype(dtype).reshape(shape)
    if draw(st.booleans()):
        array = np.asfortranarray(array)
    return array[()] if not shape else array


@st.composite
def checkpoints(draw, dtypes=DTYPES, plain=None):
    """A dictionary of such tensors, nested in containers of all kinds beside plain values."""
    pool = draw(bases(dtypes))
    leaves = tensors(pool) | (_PLAIN | arrays() if plain is None else plain)
    keys = _TEXTS | st.integers(-5, 2**31) | st.tuples(_TEXTS, st.integers(0, 9))

    def containers(inside):
        lists = st.lists(inside, max_size=4)
        mappings = st.dictionaries(keys, inside, max_size=4)
        return lists | lists.map(tuple) | mappings | mappings.map(OrderedDict)

    root = draw(st.dictionaries(_TEXTS, st.recursive(leaves, containers, max_leaves=8), min_size=1, max_size=5))
    root["a tensor at least"] = draw(tensors(pool))
    return root


def as_oldest_torch(path, value):
    """Write a tar archive as torch 0.1.9 did: its torch.save wrote storages, then tensors, then a pickle.

    No PyTorch since writes it, but torch.load reads it.
    """
    import io
    import pickle
    import tarfile

    storages, tensors_seen = {}, {}

    class Writer(pickle._Pickler):
        def persistent_id(self, found):
            if isinstance(found, torch.Tensor):
                tensors_seen[id(found)] = found
                return id(found)
            return None

    content, listed, described = io.BytesIO(), io.BytesIO(), io.BytesIO()
    Writer(content, 2).dump(value)
    pickle.dump(len(tensors_seen), described, 2)
    for key, tensor in tensors_seen.items():
        storage = tensor.untyped_storage()
        storages[storage._cdata] = storage, tensor.dtype
        cls = {"uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long"} | {
            "float16": "Half", "float32": "Float", "float64": "Double"
        }  # fmt: skip
        name = cls[str(tensor.dtype).removeprefix("torch.")]
        pickle.dump((key, storage._cdata, getattr(torch, f"{name}Tensor")), described, 2)
        described.write(np.array([tensor.ndim, 0], "<i4").tobytes())
        described.write(np.array([*tensor.shape, *tensor.stride(), tensor.storage_offset()], "<i8").tobytes())
        storages[storage._cdata] = storage, tensor.dtype, getattr(torch, f"{name}Storage")
    pickle.dump(len(storages), listed, 2)
    for key, (storage, dtype, cls) in storages.items():
        pickle.dump((key, "cpu", cls), listed, 2)
        listed.write(np.array([storage.nbytes() // dtype.itemsize], "<i8").tobytes() + bytes(storage))
    pickle.dump([], listed, 2)
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as archive:
        for name, part in (("storages", listed), ("tensors", described), ("pickle", content)):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = (
                len(part.getvalue()),
                1234567890.25,
            )  # a fraction: tarfile writes a header of its own
            archive.addfile(info, io.BytesIO(part.getvalue()))
