"""Calls that a pickle asks for and that nobody makes: what stands in their place, and which of them end the reading.

Training scripts save members of their own enumerations, dates and partial functions, and each of them is a call. To run
none is what keeps a reader safe; to refuse those of Python, of NumPy and of PyTorch that no checkpoint needs only tells
the user what kind of file it is.
"""

import sys
from typing import Any

from .faults import Forbidden
from .values import Global, PickledObject

#: Modules of Python's built-in names, the first as Python 2 and protocol 2 have it.
BUILTINS = ("__builtin__", "builtins")

# Modules whose functions a hostile file would call, some of them of Python 2, or packages that install, download or
# unpickle. Where a module is not listed nothing is called either.
_NOTORIOUS = (
    sys.stdlib_module_names
    | {"__builtin__", "commands", "popen2", "httplib", "urllib2", "distutils", "torch", "numpy"}
    | {"pip", "setuptools", "pkg_resources", "requests", "aiohttp", "IPython", "cloudpickle", "dill", "joblib"}
)
# Of these, what holds plain values or a state alone.
_HARMLESS = frozenset(
    {
        *(f"datetime.{kind}" for kind in ("date", "datetime", "time", "timedelta", "timezone")),
        *("decimal.Decimal", "fractions.Fraction", "functools.partial", "types.SimpleNamespace"),
        *("random.Random", "re._compile", "torch.Generator", "torch._C.Generator"),
        *("torch._dynamo.eval_frame.OptimizeContext", "contextlib.nullcontext"),
        "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
        *(f"numpy.random._pickle.__{kind}_ctor" for kind in ("generator", "bit_generator", "randomstate")),
    }
)  # fmt: skip
_GETATTR = tuple(f"{module}.getattr" for module in BUILTINS)


def uncalled(called: Global, args: tuple[Any, ...]) -> Any:
    """What stands for a call that is not made.

    Raises:
        Forbidden: No checkpoint needs such a call.
    """
    name = str(called)
    if name in _GETATTR and len(args) == 2 and type(args[1]) is str:
        if isinstance(args[0], Global) and len(str(args[0])) + len(args[1]) <= 1024:
            return Global(str(args[0]), args[1])  # a method of a class, or a class in a class: a name again
        if isinstance(args[0], PickledObject):
            return PickledObject(called, args)
    parts = name.split(".")
    if not all(map(str.isidentifier, parts)) or (parts[0] in _NOTORIOUS and name not in _HARMLESS):
        raise Forbidden(f"asks to run {called}")
    return PickledObject(called, args)
