"""docs/models.md from the registry and the tests: ``python -m tests.interop.models.table`` writes it anew."""

import dataclasses
import math
from pathlib import Path

from flax import nnx

from dilax import models
from dilax.architectures import ARCHITECTURES
from interop.reference import drn, timm_mobilenet, vgg
from interop.reference.smp_models import REFERENCES as SMP
from interop.rules import entries

from . import mobilenets, references

PAGE = Path(__file__).parents[3] / "docs" / "models.md"

HEAD = """# Models

What `dilax.models.create(name, ...)` makes, and which PyTorch module it is compared with. The keys of the state_dict
are that module's, so that `interop.load` and `dilax convert FILE --model NAME` need no table of names. Images and
feature maps have channels last.

- *keys*: names and shapes of all arrays, and stride, padding, dilation and groups of all convolutions are the
  reference's.
- *layers*: `interop.verify` on random weights and batch statistics: the outputs of every layer within a relative error
  of 1e-12 in float64, and in float32 no further from the float64 result than twice PyTorch's own float32 result.
- *way back*: `interop.state_dict` gives every number back, bit for bit, in PyTorch's order and dtypes.
- *training*: outputs in training mode, batch statistics, and the gradients of all parameters and of the input, with
  dropouts off. DeepLabV3 is not among them: it normalises the mean of each map over as many numbers as there are images
  in the batch, which magnified a change of the input 40 times in PyTorch itself; of three images the two frameworks'
  float64 results differed by 2.7e-12 there.

`numbers` are those of parameters and statistics with the options' defaults. The models of torchvision that segment
give `{"out": ..., "aux": ...}`, as the reference does. Their `output_stride` (8, 16, 32) has the meaning of
`replace_stride_with_dilation`: the first block of a dilated stage keeps the dilation before it. torchvision's ResNet-18
and 34 cannot be dilated; timm's can, with the same keys, and so can these, which are then compared with timm's.
`multi_grid`, which torchvision has not, is compared with its ResNet-50 after changing the
dilations of its last three blocks.

MobileNets: `output_stride=16` of a MobileNetV3 is torchvision's `dilated=True`: a dilated stage has its dilation in the
first block too. torchvision has no 8 there, and neither for its MobileNetV2, whose dilations are those of
segmentation_models_pytorch. Names that begin with `timm_` have timm's keys, where they differ from torchvision's; there
the first block of a dilated stage keeps the dilation before it.

DeepLabV3's branch that sees the mean of the whole map is close to the limit in float32: on the images of the tests it
is within, but on maps of 5x5 an R of 2.6 was seen there, which `dilax convert` notes; float64 agrees. An R of
2.15 was seen in `smp_deeplabv3plus` on `resnext50_32x4d` at output stride 8, on maps of 8x10.

ResNets that torchvision has not are compared with timm's: keys and geometry of all, at output strides 8 and 32; the
layers of those that between them have every option. What timm's `features_only` gives, but for the stem's map, is
`model.feature_maps(x)`.

The models of segmentation_models_pytorch have its arguments and defaults. What it takes as `aux_params` is
`aux_classes`, `aux_pooling` and `aux_dropout` here; `encoder_output_stride` of its PSPNet it takes as `output_stride`.
All blocks of a dilated stage of its ResNets have the stage's dilation, the first too, and those of ResNet-18 and 34 are
dilated. Layers behind `encoder_depth` stay in the model unused, as they do there. Encoders: `resnet18` to `resnet152`,
`resnext50_32x4d`, `resnext101_32x4d` to `resnext101_32x32d`, `mobilenet_v2`. *keys* are compared on all of them, the
rest on `resnet18`, `resnet50`, `resnext50_32x4d` and `mobilenet_v2`. Heights and widths have to be multiples of the
encoder's output stride, there as here. The training of a PAN is compared at depth 3, where its smallest map has four
places: at depth 5 the same image leaves one, and the normalisation of two numbers magnified rounding to 5e-12. Older
files of its DeepLabV3, in which the decoder was a `Sequential`, go in with `dilax convert --rename
decoder.0=decoder.aspp decoder.1=decoder.conv decoder.2=decoder.bn`.
Refused, by a message that says what there is: its other encoders, in a file and as an option; the activations
`identity` (None is that), `argmax`, `argmax2d`, `clamp` and functions, and any in `aux_params`; a PSPNet's
`decoder_use_norm` other than `batchnorm` and `identity`; output strides, depths and numbers of dilations that it
refuses itself.

Models that no such library has are compared with twins of our own, written from the papers under the published codes'
keys (`interop/reference`): the keys at full width, the rest with fewer channels.

The parts are layers of `dilax.nn`, with the keys of the same libraries: `Aspp`, `PyramidPooling`, `SeparableConv`,
`BasicBlock` and `Bottleneck` (with `dilation`, the dilated bottleneck), `SqueezeExcitation`,
`EfficientChannelAttention`; and `ContextModule`. Each is compared alone too.

The tests: `tests/interop/models` (in part they need torchvision, timm or segmentation_models_pytorch) and
`tests/interop/test_meshnet.py`.

`python -m tests.interop.models.table` writes this page.

| name | PyTorch | numbers | options | compared |
| --- | --- | --- | --- | --- |
"""

#: Models that are torchvision's, and those of them that segment.
TORCHVISION = {kind[0] for kinds in (references.KINDS, mobilenets.KINDS) for kind in kinds.values()}
SEGMENTATION = {*references.SEGMENTATION, *mobilenets.SEGMENTATION}
#: Models whose training is compared.
TRAINED = {
    *SMP,
    *("fcn_resnet50", "drn_c_26", "drn_c_58", "drn_seg", "csrnet", "fcn8s", "dilated_vgg", "mobilenet_v2"),
    *("mobilenet_v3_small", "lraspp_mobilenet_v3_large", "timm_mobilenetv2_100", "timm_mobilenetv3_small_100"),
    *("resnet10t", "seresnet18", "ecaresnet26t"),
}


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_row(name) for name in models.list())


def _row(name: str) -> str:
    training = ", training" if name in TRAINED else ""
    compared = f"keys, layers, way back{training}"
    if name in TORCHVISION:
        reference = f"torchvision.models.{'segmentation.' if name in SEGMENTATION else ''}{name}"
    elif name in SMP:
        reference = f"segmentation_models_pytorch.{models.config_type(name).__name__[3:-6]}"
    elif name in timm_mobilenet.REFERENCES:
        reference = f"timm.create_model({name.removeprefix('timm_')!r})"
    elif name in ARCHITECTURES:
        reference = f"timm.models.resnet.{name}"
        compared = compared if name in {one for one, _ in references.TIMM} else "keys"
    elif name == "meshnet":
        reference = "interop.reference.MeshNet"
    else:
        twins = next(module for module in (drn, vgg) if name in module.REFERENCES)
        reference = twins.__name__
        compared = f"keys; narrower, layers, way back{training}"
    model = nnx.eval_shape(lambda: models.create(name))
    numbers = sum(math.prod(shape) for entry in entries(model) for shape in entry.torch_shapes)
    options = ", ".join(f"{field.name}={field.default}" for field in dataclasses.fields(models.config_type(name)))
    return f"| {name} | {reference} | {numbers:,} | {options} | {compared} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
