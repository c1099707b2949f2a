"""What published weights were trained on: preprocessing and names of classes, by the name of the model."""

from ..architectures import ARCHITECTURES
from .image_preprocessing import Preprocessing

#: Classes of PASCAL VOC, which torchvision's weights of segmentation know.
VOC_CLASS_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

#: Models of torchvision that segment.
_SEGMENTATION = ("deeplabv3_resnet50", "deeplabv3_resnet101", "fcn_resnet50", "fcn_resnet101")
# Shorter side and crop of what torchvision's newest weights of its models expect.
_TORCHVISION = {
    **dict.fromkeys(("resnet18", "resnet34"), 256),
    **dict.fromkeys(("resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d"), 232),
    **dict.fromkeys(("resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"), 232),
}
# Edge in pixels, share of it that is cut out, and interpolation of timm's weights, where they are not the usual ones.
_TIMM: dict[str, tuple[int, float]] = {
    **dict.fromkeys(("resnet10t", "resnet14t"), (176, 0.875)),
    **dict.fromkeys(("seresnet50", "seresnext101_32x8d", "seresnext101d_32x8d"), (224, 0.95)),
    "resnet26t": (256, 0.94),
    **dict.fromkeys(("resnet101d", "resnet152d", "resnet200d", "seresnet152d", "ecaresnet200d"), (256, 0.95)),
    **dict.fromkeys(("seresnet200d", "seresnet269d", "ecaresnet26t", "ecaresnet50t"), (256, 0.875)),
    "ecaresnet269d": (320, 0.95),
}
_BILINEAR = ("resnext101_32x4d", "resnext101_32x16d", "resnext101_32x32d")


def reference_preprocessing(name: str) -> Preprocessing | None:
    """What the reference's weights of a model expect: torchvision's newest, else timm's.

    Args:
        name: Of the model, as of :func:`dilax.models.list`.

    Returns:
        None where there is no such reference.
    """
    if name in _SEGMENTATION:
        return Preprocessing(resize=520)
    if name in _TORCHVISION:
        return Preprocessing(resize=_TORCHVISION[name], crop=224)
    if name in ARCHITECTURES:
        edge, share = _TIMM.get(name, (224, 0.875))
        interpolation = "bilinear" if name in _BILINEAR else "bicubic"
        return Preprocessing(resize=int(edge / share), crop=edge, interpolation=interpolation)  # type: ignore[arg-type]
    if name.startswith("drn_") and name != "drn_seg":
        return Preprocessing(resize=256, crop=224)
    if name.startswith("smp_"):  # encoders with ImageNet's statistics
        return Preprocessing(multiple=32)
    return None


def reference_class_names(name: str, num_classes: int) -> tuple[str, ...]:
    """Names of a model's classes: VOC's for torchvision's models of segmentation, else numbers."""
    if name in _SEGMENTATION and num_classes == len(VOC_CLASS_NAMES):
        return VOC_CLASS_NAMES
    return tuple(f"class {index}" for index in range(num_classes))
