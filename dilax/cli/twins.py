"""The PyTorch twin of one of dilax's models, and something to run both on."""

from typing import Any

#: Models of volumes; the others are of images.
VOLUMES = ("meshnet",)


def torch_twin(name: str, options: dict[str, Any], arrays: Any) -> Any:
    """The PyTorch module of a model's name and options, with the arrays of a state_dict."""
    import numpy as np
    import torch

    from interop import reference

    module = reference.create(name, **options)
    module.load_state_dict({key: torch.tensor(np.array(value)) for key, value in arrays.items()})
    return module


def small_input(model: Any) -> Any:
    """A small input of random numbers for one of dilax's models, channels last."""
    import numpy as np

    return np.random.default_rng(0).random((1, *model.example_size, model.config.in_channels))
