"""Move a PyTorch MeshNet to Flax, prove that every layer agrees, and give it back.

Run with: python examples/01_convert_and_verify.py
"""

import numpy as np
import rich
import torch

import interop
from dilax import models
from interop import reference

options = {"channels": 5, "num_classes": 3, "activation": "elu", "batch_norm": True}
module = reference.create("meshnet", **options)

# What a training script saves: the state_dict among other things.
checkpoint = {"model": module.state_dict(), "epoch": 3}

model = models.create("meshnet", **options)
print(interop.load(model, checkpoint))

volume = np.random.default_rng(0).random((1, 24, 25, 26, 1))  # channels last
report = interop.verify(model, module, volume)
rich.print(report)
report.raise_if_different()

returned = {key: torch.tensor(array) for key, array in interop.state_dict(model).items()}
module.load_state_dict(returned)
print("the way back is exact:", all(torch.equal(returned[key], value) for key, value in checkpoint["model"].items()))
