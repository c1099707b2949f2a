"""NumPy arrays from whatever a state_dict holds."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def is_array(value: Any) -> bool:
    """Whether ``value`` is a tensor or an array of any library."""
    # The class first: NumPy is imported where the dtype of a LazyTensor is asked for.
    return hasattr(value, "shape") and (hasattr(type(value), "dtype") or hasattr(value, "dtype"))


def is_state_dict(value: Any) -> bool:
    """Whether ``value`` is a mapping of arrays and nothing else."""
    return isinstance(value, Mapping) and bool(value) and all(map(is_array, value.values()))


def to_numpy(value: Any) -> "np.ndarray[Any, np.dtype[Any]]":
    """The array's numbers, without a copy where possible; live PyTorch tensors too, of any device."""
    if hasattr(value, "detach"):
        import torch

        tensor = value.detach().cpu()
        name = str(tensor.dtype).removeprefix("torch.")
        if name == "bfloat16" or name.startswith("float8"):  # NumPy has none; ml_dtypes lends it one
            import ml_dtypes

            bits = torch.int16 if tensor.itemsize == 2 else torch.uint8
            return tensor.contiguous().view(bits).numpy().view(getattr(ml_dtypes, name))
        return tensor.resolve_conj().resolve_neg().numpy()
    import numpy as np

    return np.asarray(value)
