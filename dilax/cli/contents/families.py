"""Well-known architectures by the names of their arrays, to say what a checkpoint of an unknown model probably is."""

import re
from collections.abc import Iterable

# A family, and parts of names that all have to be there. The first that fits is taken, so the narrower come first.
_FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("DeepLabV3 of torchvision", (r"backbone\.", r"classifier\.0\.convs\.1\.0\.weight", r"classifier\.4\.weight")),
    ("LR-ASPP of torchvision", (r"backbone\.", r"classifier\.cbr\.0\.weight", r"classifier\.low_classifier\.")),
    ("FCN of torchvision", (r"backbone\.layer4\.", r"classifier\.0\.weight", r"classifier\.4\.weight")),
    ("Faster or Mask R-CNN of torchvision", (r"backbone\.body\.", r"rpn\.head\.", r"roi_heads\.")),
    (
        "DeepLabV3 of segmentation_models_pytorch",
        (r"encoder\.", r"decoder\.aspp\.convs\.1\.", r"segmentation_head\.0\."),
    ),
    (
        "DeepLabV3+ of segmentation_models_pytorch",
        (r"encoder\.", r"decoder\.aspp\.0\.convs\.1\.", r"segmentation_head\.0\."),
    ),
    ("PSPNet of segmentation_models_pytorch", (r"encoder\.", r"decoder\.psp\.blocks\.", r"segmentation_head\.0\.")),
    ("PAN of segmentation_models_pytorch", (r"encoder\.", r"decoder\.fpa\.mid\.", r"segmentation_head\.0\.")),
    ("a model of segmentation_models_pytorch", (r"encoder\.", r"decoder\.", r"segmentation_head\.0\.weight")),
    ("DRN for segmentation", (r"base\.0\.0\.weight", r"seg\.weight", r"up\.weight")),
    ("CSRNet", (r"frontend\.0\.weight", r"backend\.0\.weight", r"output_layer\.weight")),
    ("HiFi-GAN generator", (r"conv_pre\.", r"ups\.0\.", r"resblocks\.0\.convs", r"conv_post\.")),
    ("EnCodec", (r"encoder\.model\.0\.conv\.conv\.", r"quantizer\.vq\.layers\.0\.")),
    ("nnU-Net", (r"encoder\.stages\.0\.0\.", r"decoder\.transpconvs\.0\.")),
    ("U-Net of MONAI", (r"model\.0\.conv\.", r"model\.1\.submodule\.")),
    ("vision transformer with timm's names", (r"patch_embed\.proj\.weight", r"blocks\.0\.attn\.qkv\.weight")),
    ("ConvNeXt", (r"stages\.0\.blocks\.0\.conv_dw\.weight",)),
    ("GPT-2", (r"wte\.weight", r"h\.0\.attn\.c_attn\.weight")),
    ("Llama or a relative", (r"layers\.0\.self_attn\.q_proj\.weight", r"layers\.0\.mlp\.gate_proj\.weight")),
    ("BERT or a relative", (r"encoder\.layer\.0\.attention\.self\.query\.weight",)),
    (
        "ResNet with squeeze-and-excitation and timm's names",
        (r"layer1\.0\.conv1\.weight", r"layer1\.0\.se\.fc1\.weight"),
    ),
    ("ResNet with torchvision's names", (r"layer1\.0\.conv1\.weight", r"layer4\.0\.conv1\.weight", r"fc\.weight")),
    ("ResNet's layers, without a classifier", (r"layer1\.0\.conv1\.weight", r"layer4\.0\.conv1\.weight")),
    ("VGG or AlexNet of torchvision", (r"features\.0\.weight", r"classifier\.6\.weight")),
    ("DenseNet of torchvision", (r"features\.denseblock1\.denselayer1\.",)),
    ("EfficientNet of torchvision", (r"features\.1\.0\.block\.0\.0\.weight",)),
    ("ConvNeXt of torchvision", (r"features\.1\.0\.layer_scale",)),
    ("vision transformer of torchvision", (r"conv_proj\.weight", r"encoder\.layers\.encoder_layer_0\.")),
    ("MobileNet or EfficientNet with timm's names", (r"conv_stem\.weight", r"blocks\.0\.0\.conv_dw\.weight")),
    ("MobileNet of torchvision", (r"features\.0\.0\.weight", r"features\.1\.(block|conv)\.", r"classifier\.")),
)


def family(names: Iterable[str]) -> str | None:
    """The architecture whose arrays have such names, behind any prefix, or None."""
    text = "\n".join(names)
    for name, parts in _FAMILIES:
        if all(re.search(rf"(?:^|\.){part}", text, re.MULTILINE) for part in parts):
            return name
    return None
