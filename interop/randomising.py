"""Random numbers in live PyTorch modules."""

from typing import TypeVar

from dilax.errors import MissingDependency

try:
    import torch as torch
except ImportError as error:
    raise MissingDependency("randomise", "torch", "torch") from error

Module = TypeVar("Module", bound=torch.nn.Module)


def randomise(module: Module, seed: int = 0) -> Module:
    """Put random parameters and statistics into a PyTorch module, so that no number is left at 0 or 1.

    Each array keeps its size: the noise that is added is as large as its spread; where all its numbers are equal, it is
    up to 0.3 of them, or up to 0.3 if they are 0. Numbers that are not finite, as in masks, stay.

    Args:
        module: The module; changed in place.
        seed: Of the random numbers; they depend on nothing else.

    Returns:
        ``module``. Variances (``running_var``) lie in [0.5, 2], counts of batches have grown by 3, and the singular
        vectors of a spectral norm are as they were, of length 1.
    """
    generator = torch.Generator().manual_seed(seed)
    buffers = dict(module.named_buffers())
    for name, array in module.state_dict(keep_vars=True).items():
        tensor = array.detach()
        if name.endswith(("_u", "_v")) and {f"{name[:-1]}u", f"{name[:-1]}v"} <= buffers.keys():
            continue  # the vectors of a spectral norm
        if name.endswith("running_var"):
            drawn = torch.empty(tensor.shape, dtype=torch.float64).uniform_(0.5, 2, generator=generator)
            tensor.copy_(drawn)
        elif tensor.is_floating_point() and (finite := tensor[tensor.isfinite()].double()).numel():
            spread = finite.std(correction=0).item() or 0.3 * abs(finite[0].item()) or 0.3
            drawn = torch.empty(tensor.shape, dtype=torch.float64).uniform_(-spread, spread, generator=generator)
            tensor.add_(drawn.to(tensor))
        elif name.endswith("num_batches_tracked"):
            tensor.add_(3)
    return module
