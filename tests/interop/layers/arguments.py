"""Layers to begin with, wrong values for their arguments, and inputs that suit whatever is not wrong."""

import math
import re

import torch

NAN, INF = math.nan, math.inf

#: What each argument of each layer is given in turn: every type, range and length that is wrong for some of them.
VALUES = (
    None, True, False, "2", "same", 0, -1, 1, 2, 3, 5, 7, -7, 0.0, 0.5, 2.0, 2.5, -0.5, NAN, INF, -INF, 1j,
    (), (2,), (2, 2), (2, 2, 2), (2, 1, 2, 1), (2,) * 6, [2, 2], (1, 3), (0, 0), (-1, 2), (2.0, 2.0), (2, None),
    (1.5, 2), (True, 2), ("2", "2"), ((1, 2), (2, 1)), {}, object(),
)  # fmt: skip

_LAYER = {"input_size": 4, "hidden_size": 5}
_BLOCK = {"d_model": 6, "nhead": 2, "dim_feedforward": 5}

#: Right arguments by Flax layer; one that is not listed needs none.
RIGHT = {
    "Conv": [
        {"in_channels": 4, "out_channels": 6, "kernel_size": 3},
        {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "padding_mode": "reflect", "groups": 2},
        {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "padding": "same"},
    ],
    "ConvTranspose": [
        {"in_channels": 4, "out_channels": 6, "kernel_size": 3},
        {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": 3, "dilation": 2},
    ],
    "BatchNorm": [{"num_features": 4}, {"num_features": 4, "affine": False, "track_running_stats": False}],
    "InstanceNorm": [{"num_features": 4}, {"num_features": 4, "affine": True, "track_running_stats": True}],
    "GroupNorm": [{"num_groups": 2, "num_channels": 4}],
    "LayerNorm": [{"normalized_shape": 4}, {"normalized_shape": (3, 4)}],
    "RMSNorm": [{"normalized_shape": 4}],
    "LocalResponseNorm": [{"size": 2}],
    "Threshold": [{"threshold": 0.1, "value": 0.2}],
    "Softmax": [{"dim": 1}],
    "Softmin": [{"dim": 1}],
    "LogSoftmax": [{"dim": 1}],
    "Linear": [{"in_features": 4, "out_features": 3}],
    "Bilinear": [{"in1_features": 4, "in2_features": 3, "out_features": 2}],
    "Embedding": [{"num_embeddings": 4, "embedding_dim": 3}],
    "Unflatten": [{"dim": 1, "unflattened_size": (2, 2)}],
    "LSTM": [_LAYER, _LAYER | {"num_layers": 2, "bidirectional": True, "proj_size": 2}],
    **{name: [_LAYER] for name in ("GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell")},
    "MultiheadAttention": [
        {"embed_dim": 6, "num_heads": 2},
        {"embed_dim": 6, "num_heads": 2, "kdim": 4, "vdim": 5, "bias": False},
    ],
    "TransformerEncoderLayer": [_BLOCK],
    "TransformerDecoderLayer": [_BLOCK],
    "ConstantPad": [{"padding": 1, "value": 0.5}],
    **{name: [{"padding": 1}] for name in ("ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad")},
    "MaxPool": [{"kernel_size": 3}, {"kernel_size": 2, "stride": 1}],
    "AvgPool": [{"kernel_size": 3}],
    "LPPool": [{"norm_type": 2, "kernel_size": 3}],
    "MaxUnpool": [{"kernel_size": 2}],
    "AdaptiveAvgPool": [{"output_size": 3}],
    "AdaptiveMaxPool": [{"output_size": 3}],
    "PixelShuffle": [{"upscale_factor": 2}],
    "PixelUnshuffle": [{"downscale_factor": 2}],
    "ChannelShuffle": [{"groups": 2}],
    "Unfold": [{"kernel_size": 3}],
    "Fold": [{"output_size": 9, "kernel_size": 3}, {"output_size": 9, "kernel_size": (2, 3), "stride": 2}],
}
#: The same of layers of PyTorch that share a Flax layer and not its arguments.
RIGHT_OF_TORCH = {
    "Upsample": [{"scale_factor": 2}, {"scale_factor": 2, "mode": "bilinear"}, {"scale_factor": 2, "mode": "area"}],
    "UpsamplingNearest2d": [{"scale_factor": 2}],
    "UpsamplingBilinear2d": [{"scale_factor": 2}],
}

#: Where we are stricter than PyTorch: layer and argument, the values, and why.
STRICTER = (
    (r".*", lambda v: any(isinstance(e, bool) for e in entries(v)), "a bool is no number"),
    (r".*", lambda v: any(isinstance(e, str | complex) for e in entries(v)), "nor is text, or a complex number"),
    (r".*(channels|features|size|dim|shape|forward|parameters|factor)", lambda v: v in (0, (0, 0)), "leaves nothing"),
    (r"(Conv|.*Pool).*\.(stride|padding|dilation|output_padding)", lambda v: v in ((), (2,), {}), "one for each axis"),
    (r"Conv\.padding", lambda v: v in (-1, -7, (-1, 2), (0, 0)), "crops, and in some padding modes only"),
    (r"(Batch|Instance)Norm\.num_features", lambda v: True, "PyTorch does not look at it where there are no arrays"),
    (r"PReLU\.num_parameters", lambda v: v == (), "one slope is 1"),
    (r".*Softm.*\.dim", lambda v: v is None, "PyTorch guesses, and warns"),
    (r"Hardtanh\..*", lambda v: v != v, "makes everything NaN"),
    (r"MultiheadAttention\.dropout", lambda v: not v >= 0, "PyTorch drops nothing"),
    (r".*Pad\.padding", lambda v: v in ((), {}), "pads nothing"),
    (r"ConstantPad\.value", lambda v: v is None, "0 is written 0"),
    (r"MaxUnpool\..*", lambda v: True, "PyTorch looks at nothing but the size that results"),
)
#: Where PyTorch is stricter than we are, alike.
MILDER = (
    (r"Conv\.padding", lambda v: v == ((1, 2), (2, 1)), "pairs are our own"),
    (r"LPPool\.kernel_size", lambda v: v == (2,), "the form that we ask for"),
    (r"Upsample\.scale_factor", lambda v: isinstance(v, list), "as good as a tuple"),
)


def entries(value):
    return value if isinstance(value, tuple | list) else (value,)


def deliberate(table, place, value):
    return any(re.fullmatch(pattern, place) and holds(value) for pattern, holds, _ in table)


def axes_of(name):
    """Spatial axes of a layer of PyTorch whose name says them; 0 for others."""
    return int(name[-2]) if re.fullmatch(r".*[123]d", name) else 0


def _size(value, default):
    """``value`` if it could be a size, so that the inputs fit it."""
    return int(value) if isinstance(value, int) and 0 <= value < 20 else default


def inputs(name, family, given):
    """Inputs of PyTorch's layer, of which one should do unless an argument is wrong."""
    size = {argument: _size(value, 4) for argument, value in given.items()}
    axes = axes_of(name) or 2
    if family in _INPUTS:
        return _INPUTS[family](given, size)
    if family == "MaxUnpool":
        places = torch.arange(3**axes).expand(2, 4, -1).reshape(2, 4, *(3,) * axes)
        return [(torch.rand(places.shape), places)]
    channels = next((size[argument] for argument in size if argument in _CHANNELS), 4)
    if axes_of(name) or channels != 4 or family in ("PReLU", "GroupNorm", "LocalResponseNorm"):
        return [(torch.rand(2, channels, *lengths[:axes]),) for lengths in ((4, 4, 4), (20, 19, 18))]
    shapes = (4,), (3, 7), (2, 4), (2, 3, 4, 6, 4), (2,) * 8
    return [(torch.rand(shape),) for shape in shapes]


_CHANNELS = ("in_channels", "num_features", "num_channels", "num_parameters")


def _rows(*arguments):
    return lambda given, size: [tuple(torch.rand(3, size[argument]) for argument in arguments)]


def _sequences(argument, count=1):
    return lambda given, size: [(torch.rand(3, 2, size[argument]),) * count]


def _ended(given, size):
    return [(torch.rand(2, *(_size(length, 4) for length in entries(given["normalized_shape"]))),)]


def _attended(given, size):
    embed = _size(given["embed_dim"], 6)
    return [tuple(torch.rand(3, 2, _size(given.get(name), embed)) for name in ("embed_dim", "kdim", "vdim"))]


def _unflattened(given, size):
    sizes = [abs(length) for length in entries(given["unflattened_size"]) if isinstance(length, int)]
    return [(torch.rand(2, math.prod(sizes)),), (torch.rand((4,) * 8),)]


def _folded(given, size):
    def pair(argument, default):
        value = given.get(argument, default)
        return value if isinstance(value, tuple | list) and len(value) == 2 else (value, value)

    try:
        counts = [
            (length + 2 * ends - rate * (taps - 1) - 1) // step + 1
            for length, taps, rate, ends, step in zip(
                pair("output_size", 9), pair("kernel_size", 3), pair("dilation", 1), pair("padding", 0),
                pair("stride", 1), strict=True,
            )
        ]  # fmt: skip
        return [(torch.rand(2, 3 * math.prod(pair("kernel_size", 3)), math.prod(counts)),)]
    except (TypeError, ZeroDivisionError, RuntimeError):
        return [(torch.rand(2, 27, 49),)]


_INPUTS = {
    "LayerNorm": _ended,
    "RMSNorm": _ended,
    "Linear": _rows("in_features"),
    "Bilinear": _rows("in1_features", "in2_features"),
    **dict.fromkeys(("LSTMCell", "GRUCell", "RNNCell"), _rows("input_size")),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _sequences("input_size")),
    "TransformerEncoderLayer": _sequences("d_model"),
    "TransformerDecoderLayer": _sequences("d_model", 2),
    "MultiheadAttention": _attended,
    "Embedding": lambda given, size: [(torch.zeros(2, 3, dtype=torch.int64),)],
    "Unflatten": _unflattened,
    "CosineSimilarity": lambda given, size: [(torch.rand(shape),) * 2 for shape in ((2, 4), (2,) * 8)],
    "PairwiseDistance": lambda given, size: [(torch.rand(2, 4),) * 2],
    "Upsample": lambda given, size: [(torch.rand(2, 4, *(4, 5, 3)[:axes]),) for axes in (1, 2, 3)],
    "PixelShuffle": lambda given, size: [(torch.rand(2, 3 * size["upscale_factor"] ** 2, 4, 6),)],
    "PixelUnshuffle": lambda given, size: [(torch.rand(2, 3, 4 * size["downscale_factor"], 420),)],
    "ChannelShuffle": lambda given, size: [(torch.rand(2, 3 * size["groups"], 5, 4),)],
    "Unfold": lambda given, size: [(torch.rand(2, 4, 20, 19),)],
    "Fold": _folded,
}
