"""Activations."""

import dilax.nn

from .rule import ArrayRule, Rule, take

RULES = (
    Rule(("ReLU",), dilax.nn.ReLU, take()),
    Rule(("ELU",), dilax.nn.ELU, take("alpha")),
    Rule(("CELU",), dilax.nn.CELU, take("alpha")),
    Rule(("SELU",), dilax.nn.SELU, take()),
    Rule(("GELU",), dilax.nn.GELU, take("approximate")),
    Rule(("SiLU",), dilax.nn.SiLU, take()),
    Rule(("Mish",), dilax.nn.Mish, take()),
    Rule(("Softplus",), dilax.nn.Softplus, take("beta", "threshold")),
    Rule(("Softsign",), dilax.nn.Softsign, take()),
    Rule(("Sigmoid",), dilax.nn.Sigmoid, take()),
    Rule(("LogSigmoid",), dilax.nn.LogSigmoid, take()),
    Rule(("Tanh",), dilax.nn.Tanh, take()),
    Rule(("Tanhshrink",), dilax.nn.Tanhshrink, take()),
    Rule(("ReLU6",), dilax.nn.ReLU6, take()),
    Rule(("LeakyReLU",), dilax.nn.LeakyReLU, take("negative_slope")),
    Rule(("PReLU",), dilax.nn.PReLU, take("num_parameters"), (ArrayRule("weight", "weight"),), channels=True),
    Rule(("RReLU",), dilax.nn.RReLU, take("lower", "upper")),
    Rule(("Hardswish",), dilax.nn.Hardswish, take()),
    Rule(("Hardsigmoid",), dilax.nn.Hardsigmoid, take()),
    Rule(("Hardtanh",), dilax.nn.Hardtanh, take("min_val", "max_val")),
    Rule(("Hardshrink",), dilax.nn.Hardshrink, take("lambd")),
    Rule(("Softshrink",), dilax.nn.Softshrink, take("lambd")),
    Rule(("Threshold",), dilax.nn.Threshold, take("threshold", "value")),
    Rule(("Softmax",), dilax.nn.Softmax, take("dim")),
    Rule(("Softmin",), dilax.nn.Softmin, take("dim")),
    Rule(("LogSoftmax",), dilax.nn.LogSoftmax, take("dim")),
    Rule(("Softmax2d",), dilax.nn.Softmax2d, take(), channels=True),
    Rule(("GLU",), dilax.nn.GLU, take("dim")),
)
