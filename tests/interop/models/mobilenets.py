"""torchvision's MobileNets as its own functions make them."""

import torchvision

#: Name in dilax, its options, and torchvision's.
KINDS = {
    "mobilenet_v2": ("mobilenet_v2", {"num_classes": 7}, {"num_classes": 7}),
    "mobilenet_v2, narrow": (
        "mobilenet_v2",
        {"num_classes": 5, "width_mult": 0.35},
        {"num_classes": 5, "width_mult": 0.35},
    ),
    "mobilenet_v2, wide": (
        "mobilenet_v2",
        {"num_classes": 5, "width_mult": 1.4},
        {"num_classes": 5, "width_mult": 1.4},
    ),
}


def reference(kind):
    """torchvision's module of one of :data:`KINDS`, of its own initial values; without memory within ``meta``."""
    name, _, options = KINDS[kind]
    return getattr(torchvision.models, name)(weights=None, **options)
