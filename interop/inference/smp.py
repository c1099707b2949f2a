"""Options of segmentation_models_pytorch's models, read off a state_dict."""

from typing import Any

from dilax.errors import DilaxError

from .inferred import InferredOptions, Shapes

# For each model, the weight that sees the last feature map; this and the next are what dilax.models.smp says too, which
# imports JAX.
_FIRST = {
    "smp_deeplabv3": "decoder.aspp.convs.0.0.weight",
    "smp_deeplabv3plus": "decoder.aspp.0.convs.0.0.weight",
    "smp_pan": "decoder.fpa.mid.0.conv.weight",
    "smp_pspnet": "decoder.psp.blocks.0.pool.1.0.weight",
}
_ATROUS = {"decoder_atrous_rates": (12, 24, 36), "decoder_aspp_dropout": 0.5}
_ASSUMED: dict[str, dict[str, Any]] = {
    "smp_deeplabv3": {"encoder_output_stride": 8, "activation": None, "upsampling": None, **_ATROUS},
    "smp_deeplabv3plus": {"encoder_output_stride": 16, "activation": None, "upsampling": 4, **_ATROUS},
    "smp_pan": {
        "encoder_output_stride": 16,
        "activation": None,
        "upsampling": 4,
        "decoder_interpolation": "bilinear",
    },
    "smp_pspnet": {"encoder_output_stride": 32, "activation": None, "upsampling": 8, "psp_dropout": 0.2},
}
# By the blocks of each stage, the outputs and inputs of layer1.0.conv2, and whether blocks have three convolutions.
_RESNETS: dict[tuple[tuple[int, ...], tuple[int, ...], bool], str] = {
    ((2, 2, 2, 2), (64, 64), False): "resnet18",
    ((3, 4, 6, 3), (64, 64), False): "resnet34",
    ((3, 4, 6, 3), (64, 64), True): "resnet50",
    ((3, 4, 23, 3), (64, 64), True): "resnet101",
    ((3, 8, 36, 3), (64, 64), True): "resnet152",
    ((3, 4, 6, 3), (128, 4), True): "resnext50_32x4d",
    ((3, 4, 23, 3), (128, 4), True): "resnext101_32x4d",
    ((3, 4, 23, 3), (256, 8), True): "resnext101_32x8d",
    ((3, 4, 23, 3), (512, 16), True): "resnext101_32x16d",
    ((3, 4, 23, 3), (1024, 32), True): "resnext101_32x32d",
}

#: Names that :func:`infer` knows.
NAMES = tuple(_FIRST)


def infer(name: str, shapes: Shapes) -> InferredOptions:
    """As :func:`interop.infer_options`, for one of :data:`NAMES`."""
    found = next((model for model, key in _FIRST.items() if len(shapes.get(key, ())) == 4), None)
    head = shapes.get("segmentation_head.0.weight", ())
    if found != name or len(head) != 4:
        what = "no model of segmentation_models_pytorch that dilax has" if found is None else found
        raise _refusal(f"is that of {what}, and not of {name}", "model")
    encoder, channels, in_channels = _encoder(shapes)
    first = shapes[_FIRST[name]]
    depths = [depth for depth in range(1, 6) if channels[depth - 1] == first[1]]
    if not depths:
        raise _refusal(f"has a decoder that takes {first[1]} channels, which {encoder} does not give", "encoder")
    options: dict[str, Any] = {"encoder_name": encoder, "in_channels": in_channels, "classes": head[0]}
    assumed = dict(_ASSUMED[name])
    # The first two feature maps of a ResNet-18 or 34 have equally many channels.
    (options if len(depths) == 1 else assumed)["encoder_depth"] = depths[-1]
    options |= _decoder(name, shapes, first)
    scores = shapes.get("classification_head.3.weight")
    options["aux_classes"] = scores[0] if scores else None
    if scores:
        assumed |= {"aux_pooling": "avg", "aux_dropout": 0.2}
    return InferredOptions(options, assumed)


def _encoder(shapes: Shapes) -> tuple[str, tuple[int, ...], int]:
    """The encoder's name, the channels of its feature maps, and those of its input."""
    if shapes.get("encoder.features.18.0.weight") == (1280, 320, 1, 1):
        stem = shapes.get("encoder.features.0.0.weight", ())
        if len(stem) == 4:
            return "mobilenet_v2", (16, 24, 32, 96, 1280), stem[1]
    depths = tuple(_blocks(shapes, f"encoder.layer{stage}.") for stage in (1, 2, 3, 4))
    kernel = shapes.get("encoder.layer1.0.conv2.weight", ())
    bottleneck = "encoder.layer1.0.conv3.weight" in shapes
    found = _RESNETS.get((depths, kernel[:2], bottleneck))
    stem = shapes.get("encoder.conv1.weight", ())
    if found is None or len(stem) != 4:
        raise _refusal("has no encoder that dilax has", "encoder")
    expansion = 4 if bottleneck else 1
    return found, (64, *(width * expansion for width in (64, 128, 256, 512))), stem[1]


def _blocks(shapes: Shapes, stage: str) -> int:
    count = 0
    while f"{stage}{count}.conv1.weight" in shapes:
        count += 1
    return count


def _decoder(name: str, shapes: Shapes, first: tuple[int, ...]) -> dict[str, Any]:
    if name == "smp_pspnet":
        norm = "batchnorm" if "decoder.conv.1.running_mean" in shapes else "identity"
        if norm == "identity" and "decoder.conv.0.bias" not in shapes:
            raise _refusal("has another normalisation in its decoder than a batch normalisation", "norm")
        return {"psp_out_channels": (shapes.get("decoder.conv.0.weight") or (512,))[0], "decoder_use_norm": norm}
    if name == "smp_pan":
        return {"decoder_channels": first[0]}
    separable = _FIRST[name].replace("convs.0.0.", "convs.1.0.0.") in shapes
    return {"decoder_channels": first[0], "decoder_aspp_separable": separable}


def _refusal(what: str, part: str) -> DilaxError:
    fix = {
        "model": "pass the checkpoint of one, with segmentation_models_pytorch's keys, or the name of its own model",
        "encoder": "pass the checkpoint of a model on one of " + ", ".join((*_RESNETS.values(), "mobilenet_v2")),
        "norm": "pass the checkpoint of a PSPNet whose decoder_use_norm is 'batchnorm' or 'identity'",
    }[part]
    return DilaxError(f"infer_options: the state_dict {what}; {fix}.")
