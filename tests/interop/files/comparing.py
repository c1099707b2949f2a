"""Compare what PyTorch holds with what dilax read, bit by bit."""

import numpy as np
import torch

from interop.files import LazyTensor


def assert_same(ours, theirs, place="root"):
    """Walk both sides; every tensor must have the same bits, every other value the same type and value."""
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, LazyTensor), place
        assert ours.shape == tuple(theirs.shape), place
        assert ours.dtype.name == str(theirs.dtype).removeprefix("torch."), place
        assert np.ascontiguousarray(ours.numpy()).tobytes() == _bytes(theirs), place
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs), place
        for key in theirs:
            assert_same(ours[key], theirs[key], f"{place}[{key!r}]")
    elif isinstance(theirs, list | tuple):
        assert isinstance(ours, tuple) == isinstance(theirs, tuple), place
        assert len(ours) == len(theirs), place
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(one, other, f"{place}[{index}]")
    elif isinstance(theirs, np.ndarray | np.generic):
        theirs = theirs.astype(theirs.dtype.newbyteorder("="))  # protocol 5 keeps the other byte order, 2 does not
        assert (ours.dtype, ours.shape, ours.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes()), place
    elif isinstance(theirs, torch.dtype | torch.device):
        assert str(ours) == str(theirs), place
    else:
        assert type(ours) is type(theirs), place
        assert ours == theirs, place


def _bytes(tensor):
    plain = torch.empty(
        tensor.numel(), dtype=tensor.dtype
    )  # contiguous() leaves a stride of 0 in a tensor of one number
    plain.copy_(tensor.detach().resolve_conj().resolve_neg().reshape(-1))
    return plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b""
