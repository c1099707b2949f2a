"""The names that a checkpoint may call, and the inert value that each gives. Nothing else is ever called.

The names are those of PyTorch's and NumPy's own pickles (``torch/_utils.py``, ``torch/_tensor.py``).
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from .calls import BUILTINS
from .dtypes import STORAGE_NAMES, TORCH_NAMES, NumberKind, number_kind, torch_name
from .faults import Forbidden, Malformed, Unsupported, named
from .machine import Builder, Pending
from .tensors import LazyTensor, Storage
from .values import Device, DType, Global, PickledObject, Size

if TYPE_CHECKING:
    import numpy as np  # elsewhere on first use: to import it takes longer than to read an index

# What a typed storage of a pickle is: the bytes and how to count them.
TypedStorage = tuple[Storage, NumberKind]


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> LazyTensor:
    """``_rebuild_tensor`` and ``_rebuild_tensor_v2``: (…, requires_grad, backward_hooks, metadata)."""
    data, kind = _typed(storage)
    requires_grad, marks = _rest(rest)
    return LazyTensor(data, tuple(shape), kind, tuple(strides), offset, requires_grad, **marks)


def _tensor_of_dtype(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> LazyTensor:
    """``_rebuild_tensor_v3``: (…, requires_grad, backward_hooks, dtype, metadata)."""
    data, _ = _typed(storage)
    if len(rest) < 3 or not isinstance(rest[2], DType):
        raise Malformed("rebuilds a tensor without a dtype")
    requires_grad, marks = _rest((*rest[:2], *rest[3:]))
    return LazyTensor(data, tuple(shape), number_kind(rest[2].name), tuple(strides), offset, requires_grad, **marks)


def _typed(storage: Any) -> TypedStorage:
    if not (isinstance(storage, tuple) and len(storage) == 2 and isinstance(storage[0], Storage)):
        raise Malformed("rebuilds a tensor from something that is no storage")
    return storage[0], storage[1]


def _rest(rest: tuple[Any, ...]) -> tuple[bool, dict[str, bool]]:
    if len(rest) > 3:
        raise Malformed("rebuilds a tensor with too many arguments")
    metadata = rest[2] if len(rest) == 3 and isinstance(rest[2], dict) else {}
    marks = {"conjugate": metadata.get("conj") is True, "negative": metadata.get("neg") is True}
    return bool(rest and rest[0] is True), marks


def _parameter(data: Any, requires_grad: Any = True, *_hooks_and_state: Any) -> Any:
    if not isinstance(data, LazyTensor):
        raise Malformed("makes a parameter of something that is no tensor")
    return LazyTensor(
        data.storage, data.shape, data.kind, data.strides, data.offset, requires_grad is True,
        data.conjugate, data.negative,
    )  # fmt: skip


def _from_type(call: Any, _type: Any, args: Any, _state: Any) -> Any:
    """A tensor with attributes, or of a subclass: the tensor."""
    builder = BUILDERS.get(str(call)) if isinstance(call, Global) else None
    if builder is None or "._rebuild_" not in str(call) or type(args) is not tuple:
        raise Forbidden(f"asks to run {call}")
    return builder(*args)


def _from_numpy(array: Any, _dtype: Any, _device: Any, requires_grad: Any) -> LazyTensor:
    """A tensor of a device that has no storage PyTorch can write, such as a TPU."""
    import numpy as np

    name = torch_name(array.dtype) if isinstance(array, np.ndarray) else None
    if name is None:
        raise Malformed("rebuilds a tensor from something that is no array of numbers")
    array = np.ascontiguousarray(array)
    storage = Storage(memoryview(array.reshape(-1).view(np.uint8)), "array")
    strides = tuple(step // array.itemsize for step in array.strides)
    return LazyTensor(storage, array.shape, number_kind(name), strides, 0, requires_grad is True)


def _refuse(what: str) -> Builder:
    def builder(*_args: Any) -> Any:
        raise Unsupported(f"holds {what}")

    return builder


def _refuse_subclass(cls: Any = None, *_args: Any) -> Any:
    """What holds other tensors, or a part of one, as DTensor and MaskedTensor do."""
    raise Unsupported(f"holds a tensor of the wrapping subclass {cls if isinstance(cls, Global) else named(cls)}")


def _compiled(module: Any = None, *_context: Any) -> PickledObject:
    """What torch.compile makes of a module: a module around it, whose keys begin with ``_orig_mod.``."""
    state = {"_parameters": {}, "_buffers": {}, "_modules": {"_orig_mod": module}}
    return PickledObject(Global("torch._dynamo.eval_frame", "OptimizedModule"), state=state)


# Numbers and texts: neither objects nor records.
_NUMPY_DTYPE = re.compile(r"[<>=|]?(\?|[biufc][0-9]{1,2}|[SU][0-9]{1,9})", re.ASCII)


class _PendingDType(Pending):
    def __init__(self, code: Any, *_flags: Any) -> None:
        if not isinstance(code, str) or not _NUMPY_DTYPE.fullmatch(code):
            raise Unsupported(f"holds a NumPy array of dtype {named(code)}")
        import numpy as np

        self.dtype = np.dtype(code)

    def build(self, state: Any) -> Any:
        if type(state) is not tuple or len(state) < 2 or state[1] not in ("<", ">", "=", "|"):
            raise Malformed("describes a NumPy dtype in an unknown way")
        return self.dtype.newbyteorder(state[1]) if state[1] in "<>" else self.dtype


class _PendingArray(Pending):
    def __init__(self, *_args: Any) -> None:
        pass

    def build(self, state: Any) -> Any:
        if type(state) is not tuple or len(state) != 5:
            raise Malformed("describes a NumPy array in an unknown way")
        _, shape, dtype, fortran, data = state
        return _array(data, dtype, shape, "F" if fortran else "C")


def _array(data: Any, dtype: Any, shape: Any, order: Any) -> "np.ndarray[Any, np.dtype[Any]]":
    """``_frombuffer``: how protocol 5 writes an array."""
    import numpy as np

    dtype = _finished(dtype)
    if not (isinstance(dtype, np.dtype) and isinstance(data, bytes) and isinstance(shape, tuple)):
        raise Unsupported("holds a NumPy array of Python objects")
    if order not in ("C", "F"):
        raise Malformed("describes a NumPy array in an unknown way")
    array = np.frombuffer(data, dtype) if dtype.itemsize and data else np.empty(0, dtype)
    return array.reshape(shape, order=order).astype(dtype.newbyteorder("="), order="K")  # always a copy


def _finished(value: Any) -> Any:
    return value.dtype if isinstance(value, _PendingDType) else value


def _scalar(dtype: Any, data: Any = None) -> Any:
    import numpy as np

    dtype = _finished(dtype)
    if not isinstance(dtype, np.dtype) or not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise Malformed("describes a NumPy number in an unknown way")
    return np.frombuffer(data, dtype)[0]


def _bytes(text: Any = "", encoding: Any = "latin1") -> bytes:
    """``_codecs.encode``, ``bytes`` and ``bytearray``: how the protocols write bytes."""
    if type(text) is bytes:
        return text
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Malformed("encodes something that is no text")
    return text.encode("latin-1")


def _size(counts: Any = ()) -> Size:
    if not isinstance(counts, tuple | list) or not all(type(count) is int for count in counts):
        raise Malformed("makes a torch.Size of something that is no shape")
    return Size(counts)


def _device(kind: Any, index: Any = None) -> Device:
    if not isinstance(kind, str) or not (index is None or type(index) is int):
        raise Malformed("names a device that is none")
    name, _, number = kind.partition(":")
    return Device(name, int(number) if number else index)


def _is_simple_key(key: Any) -> bool:
    return isinstance(key, str | bytes | None) or (type(key) in (int, bool) and abs(key) < 2**32)


def _ordered(pairs: Any = ()) -> OrderedDict[Any, Any]:
    result: OrderedDict[Any, Any] = OrderedDict()
    for pair in pairs:
        key, value = pair
        if not _is_simple_key(key):
            raise Malformed("uses a value as a key that is none")
        result[key] = value
    return result


def _plain(make: Any, *kinds: type) -> Builder:
    """A constructor of plain values that takes only arguments of ``kinds``."""

    def builder(*args: Any) -> Any:
        if not all(type(arg) in kinds for arg in args):
            raise Malformed(f"makes a {make.__name__} of something else")
        return make(*args)

    return builder


def _deque(elements: Any = (), length: Any = None) -> list[Any]:
    if not isinstance(elements, list | tuple) or not isinstance(length, int | None):
        raise Malformed("makes a deque of something else")
    return list(elements)


def _default_dict(*args: Any) -> dict[Any, Any]:
    if args and not isinstance(args[0], Global | PickledObject | None):
        raise Malformed("makes a defaultdict of something else")
    return {}


def _counter(counts: Any = None) -> dict[Any, Any]:
    if counts is not None and type(counts) is not dict:
        raise Malformed("makes a Counter of something else")
    return counts or {}


_NUMPY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")

BUILDERS: dict[str, Builder] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_dtype,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_device_tensor_from_numpy": _from_numpy,
    "torch._utils._rebuild_xla_tensor": _from_numpy,
    "torch.nn.parameter.Parameter": _parameter,
    "torch._tensor._rebuild_from_type": _from_type,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch._utils._rebuild_sparse_tensor": _refuse("a sparse tensor"),
    "torch._utils._rebuild_sparse_csr_tensor": _refuse("a sparse tensor"),
    "torch._utils._rebuild_nested_tensor": _refuse("a nested tensor"),
    "torch.nested._internal.nested_tensor._rebuild_njt": _refuse("a nested tensor"),
    "torch._utils._rebuild_qtensor": _refuse("a quantised tensor"),
    "torch._utils._rebuild_meta_tensor_no_storage": _refuse("a tensor of the device 'meta', which has no numbers"),
    "torch._utils._rebuild_wrapper_subclass": _refuse_subclass,
    "torch.nn.parameter.UninitializedParameter": _refuse("a parameter of a lazy module that has no numbers yet"),
    "torch._dynamo.eval_frame.OptimizedModule": _compiled,
    "torch.Size": _size,
    "torch.device": _device,
    "torch.serialization._get_layout": _plain(str, str),
    "collections.OrderedDict": _ordered,
    "collections.defaultdict": _default_dict,
    "collections.Counter": _counter,
    "collections.deque": _deque,
    "__builtin__.xrange": _plain(range, int),
    "builtins.range": _plain(range, int),
    # Protocol 2 writes names as Python 2 had them.
    **{f"{module}.complex": _plain(complex, float, int) for module in BUILTINS},
    **{f"{module}.slice": _plain(slice, int, type(None)) for module in BUILTINS},
    **{f"{module}.{name}": _bytes for module in BUILTINS for name in ("bytes", "bytearray")},
    "_codecs.encode": _bytes,
    # Python 3.13 moved them.
    **{
        f"{module}.{prefix}{system}Path": _plain(path, str)
        for module in ("pathlib", "pathlib._local")
        for prefix in ("", "Pure")
        for system, path in (("Posix", PurePosixPath), ("Windows", PureWindowsPath))
    },
    "numpy.dtype": _PendingDType,
    **{f"{module}._reconstruct": _PendingArray for module in _NUMPY_MODULES},
    "numpy.core.numeric._frombuffer": _array,
    "numpy._core.numeric._frombuffer": _array,
    **{f"{module}.scalar": _scalar for module in _NUMPY_MODULES},
}

VALUES: Mapping[str, Any] = {f"torch.{name}": DType(name) for name in TORCH_NAMES}

# Modules of storages: a checkpoint saved from a GPU by an old PyTorch names torch.cuda.
_STORAGE_MODULES = ("torch", "torch.storage", "torch.cuda")


def storage_class(value: Any) -> str:
    """The class name of a storage type that a pickle names, e.g. ``"FloatStorage"``."""
    if isinstance(value, Global) and value.module in _STORAGE_MODULES and value.name in STORAGE_NAMES:
        return value.name
    raise Malformed("names a storage type that is none")
