"""Move a PyTorch MeshNet to Flax, prove that every layer agrees, and give it back.

Run with: python examples/01_convert_and_verify.py
"""

import tempfile
from pathlib import Path

import numpy as np
import rich
import torch

import interop
from dilax import models
from interop import reference

folder = Path(tempfile.mkdtemp())
options = {"channels": 5, "num_classes": 3, "activation": "elu", "batch_norm": True}

# What a PyTorch training script saves: the state_dict among other things.
module = reference.create("meshnet", **options)
torch.save({"model": module.state_dict(), "epoch": 3}, folder / "model.pth")

# Reading needs no PyTorch, and runs nothing that the file names.
checkpoint = interop.read(folder / "model.pth")
model = models.create("meshnet", **options)
print(interop.load(model, checkpoint))

volume = np.random.default_rng(0).random((1, 24, 25, 26, 1))  # channels last
report = interop.verify(module, model, volume)
rich.print(report)
report.raise_if_different()

interop.save(model, folder / "back.pth")
returned = torch.load(folder / "back.pth", weights_only=True)
print("the way back is exact:", all(torch.equal(returned[key], value) for key, value in module.state_dict().items()))
