"""torchvision's MobileNets, and its models of segmentation on them, as its own functions make them."""

import torchvision

SEGMENTATION = ("deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large")
CLASSES = {"num_classes": 7}
#: Name in dilax, its options, and torchvision's.
KINDS = {
    **{name: (name, CLASSES, CLASSES) for name in ("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")},
    **{
        f"{name}, width {width}": (name, CLASSES | {"width_mult": width}, CLASSES | {"width_mult": width})
        for name, width in (("mobilenet_v2", 0.35), ("mobilenet_v2", 1.4), ("mobilenet_v3_small", 0.75))
    },
    **{
        f"{name}, output stride 16": (name, CLASSES | {"output_stride": 16}, CLASSES | {"dilated": True})
        for name in ("mobilenet_v3_large", "mobilenet_v3_small")
    },
    "lraspp_mobilenet_v3_large": (
        "lraspp_mobilenet_v3_large",
        {"num_classes": 5},
        {"num_classes": 5, "weights_backbone": None},
    ),
    **{
        f"deeplabv3_mobilenet_v3_large{' with auxiliary head' if auxiliary else ''}": (
            "deeplabv3_mobilenet_v3_large",
            {"num_classes": 5, "auxiliary_head": auxiliary},
            {"num_classes": 5, "aux_loss": auxiliary, "weights_backbone": None},
        )
        for auxiliary in (False, True)
    },
}


def reference(kind):
    """torchvision's module of one of :data:`KINDS`, of its own initial values; without memory within ``meta``."""
    name, _, options = KINDS[kind]
    home = torchvision.models.segmentation if name in SEGMENTATION else torchvision.models
    return getattr(home, name)(weights=None, **options)
