"""What training scripts save beside tensors: nothing is run or imported for it, and the rest of the file is read."""

import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import pathlib
import pickle
import random
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from dilax.errors import FileError, UnsafeCheckpoint
from interop.files import LazyTensor, read
from interop.files.values import Global, PickledObject

from .comparing import assert_same


class Phase(enum.Enum):
    TRAIN = 1
    TEST = "test"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Config:
    rate: float
    weights: torch.Tensor


@dataclasses.dataclass(slots=True)
class Slotted:
    rate: float
    weights: torch.Tensor


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.activation = torch.relu  # pickles as a call of getattr


Pair = collections.namedtuple("Pair", ["first", "second"])

FORMATS = {
    "zip": lambda value, path: torch.save(value, path),
    "zip of protocol 5": lambda value, path: torch.save(value, path, pickle_protocol=5),
    "legacy": lambda value, path: torch.save(value, path, _use_new_zipfile_serialization=False),
    "plain": lambda value, path: path.write_bytes(pickle.dumps(value, 4)),
}
pytestmark = pytest.mark.filterwarnings("ignore:.*legacy:UserWarning", "ignore:.*TypedStorage.*:UserWarning")


@pytest.fixture(params=FORMATS)
def through(request, tmp_path):
    """Writes a value in one of the formats, and reads it without a module more than there was."""

    def write_and_read(value):
        path = tmp_path / "checkpoint.any"
        FORMATS[request.param](value, path)
        modules = set(sys.modules)
        checkpoint = read(path)
        assert set(sys.modules) == modules
        return checkpoint

    return write_and_read


def _tensor():
    return torch.randn(3, 2, generator=torch.Generator().manual_seed(5)).t()


def _attributes(found):
    """A stand-in's attributes, wherever the pickle put them."""
    state = found.state
    return state[1] if isinstance(state, tuple) else state


FOREIGN = {
    "enumeration": lambda: Phase.TRAIN,
    "enumeration of whole numbers": lambda: Level.HIGH,
    "date": lambda: datetime.datetime(2026, 3, 4, 5, tzinfo=datetime.UTC),
    "duration": lambda: datetime.timedelta(1, 2),
    "decimal number": lambda: decimal.Decimal("1.5"),
    "partial function": lambda: functools.partial(torch.relu, 3),
    "method": lambda: Net().forward,
    "namespace": lambda: types.SimpleNamespace(a=1),
    "generator of torch": lambda: torch.Generator().manual_seed(3),
    "generator of numpy": lambda: np.random.default_rng(3),
    "old generator of numpy": lambda: np.random.RandomState(3),
    "generator of Python": lambda: random.Random(3),
    "keys that are members": lambda: {Phase.TRAIN: 1, Phase.TEST: {(Phase.TRAIN, 2): 3}},
    "sets": lambda: [{1.5, (2, 3), Phase.TEST, pathlib.PurePosixPath("a")}, frozenset({torch.float32})],
    "tensors in a set": lambda: {_tensor()},
    "function by its class": lambda: torch.relu,
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_stands_beside_it_is_read(through, name):
    around = {"before": _tensor(), "number": 2.5}
    saved = {"model": around, "foreign": FOREIGN[name](), "list": [FOREIGN[name](), _tensor()]}
    checkpoint = through(saved)
    assert list(checkpoint) == list(saved)
    assert_same(checkpoint["model"], around)
    assert_same(checkpoint["list"][1], saved["list"][1])


def test_a_stand_in_has_the_name_and_the_arguments(through):
    checkpoint = through({"phase": Phase.TEST, "partial": functools.partial(nn.functional.pad, value=3.0)})
    phase = checkpoint["phase"]
    assert (str(phase.type), phase.args) == (f"{__name__}.Phase", ("test",))
    assert repr(phase) == f"<{__name__}.Phase, not imported>"
    assert str(checkpoint["partial"].type) == "functools.partial"
    assert checkpoint["partial"].state[2] == {"value": 3.0}


def test_containers_of_the_library_are_plain_ones(through):
    saved = {
        "deque": collections.deque([1, _tensor()], maxlen=4),
        "counts": collections.Counter("abca"),
        "lists": collections.defaultdict(list, a=[_tensor()]),
        "partial": collections.defaultdict(functools.partial(list), a=2),
        "range": range(1, 9, 2),
        "frozen": frozenset({1, "a", (2, 3), 0.5}),
    }
    checkpoint = through(saved)
    assert_same(dict(checkpoint), {**saved, "deque": list(saved["deque"]), "counts": dict(saved["counts"]),
                                   "lists": dict(saved["lists"]), "partial": {"a": 2}})  # fmt: skip


def test_tensors_in_objects(through):
    saved = [Pair(_tensor(), 2), Config(0.5, _tensor()), Slotted(0.25, _tensor())]
    pair, config, slotted = through(saved).root
    assert_same(pair.args, (saved[0].first, 2))
    assert_same(_attributes(config), {"rate": 0.5, "weights": saved[1].weights})
    state = slotted.state if isinstance(slotted.state, list) else list(_attributes(slotted).values())
    assert_same(state, [0.25, saved[2].weights])


def test_a_whole_optimizer(through):
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.5)
    net.conv(torch.randn(2, 2, 5, 6)).sum().backward()
    optimizer.step()
    found = through({"optimizer": optimizer, "epoch": 3})
    assert found["epoch"] == 3
    state = found["optimizer"].state
    assert_same(list(state["state"].values()), list(optimizer.state.values()))
    assert_same(list(state["state"]), list(optimizer.state))
    assert_same(state["param_groups"][0]["params"], optimizer.param_groups[0]["params"])


def test_whole_modules_in_containers(through):
    net, other = Net(), Net()
    saved = {"nets": {"a": net, "b": [other, net]}, "ema": nn.DataParallel(other), "epoch": 3}
    checkpoint = through(saved)
    assert_same(checkpoint["nets"], {"a": net.state_dict(), "b": [other.state_dict(), net.state_dict()]})
    assert_same(checkpoint["ema"], saved["ema"].state_dict())
    name = f"of the class {__name__}.Net, which was not imported; its state_dict was recovered"
    assert set(checkpoint.notes) == {
        f"'nets'.'a' is a whole module {name}",
        f"'nets'.'b'.0 is a whole module {name}",
        "'ema' is a whole module of the class torch.nn.parallel.data_parallel.DataParallel, which was not imported; "
        "its state_dict was recovered",
    }


def test_a_whole_compiled_module(tmp_path):
    net = Net()
    torch.save({"net": torch.compile(net)}, tmp_path / "compiled.pth")
    assert_same(read(tmp_path / "compiled.pth")["net"], torch.compile(net).state_dict())
    assert "_orig_mod.conv.weight" in read(tmp_path / "compiled.pth")["net"]


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (
            lambda: torch.masked.masked_tensor(torch.ones(3), torch.tensor([True, False, True])),
            "a tensor of the wrapping subclass torch.masked.maskedtensor.core.MaskedTensor",
        ),
        (
            lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged),
            "a nested tensor",
        ),
        (lambda: nn.LazyLinear(3).weight, "a parameter of a lazy module that has no numbers yet"),
    ],
)
@pytest.mark.filterwarnings("ignore:The PyTorch API of:UserWarning")
def test_tensors_without_numbers_of_their_own_are_refused_by_name(tmp_path, make, what):
    path = tmp_path / "refused.pth"
    torch.save({"a": make()}, path)
    with pytest.raises(FileError) as caught:
        read(path)
    assert str(caught.value).startswith(f"read: {str(path)!r} holds {what} (at byte ")
    assert str(caught.value).endswith("; save it as dense tensors of a common dtype with torch.save.")


CALLS = {
    "system": b"cos\nsystem\n",
    "system, found by getattr": b"c__builtin__\ngetattr\n(cos\nos\n" + b"X\x06\x00\x00\x00systemtR",
    "an installer": b"cpip\nmain\n",
    "a module of Python 2": b"ccommands\ngetoutput\n",
    "a function of torch": b"ctorch.utils._config_module\ninstall_config_module\n",
    "a name that is none": b"ctheirs.\nKind\n",
    "a name with a space": b"ctheirs\nKind()\n",
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_that_no_checkpoint_needs(tmp_path, name):
    path = tmp_path / "hostile.pkl"
    path.write_bytes(b"\x80\x02" + CALLS[name] + b"X\x04\x00\x00\x00true\x85R.")
    with pytest.raises(UnsafeCheckpoint, match="asks to run "):
        read(path)


def test_a_name_found_by_getattr_is_a_name(tmp_path):
    path = tmp_path / "named.pkl"
    path.write_bytes(b"\x80\x02c__builtin__\ngetattr\n(ctheirs\nNet\nX\x04\x00\x00\x00maketR.")
    assert read(path).root == Global("theirs.Net", "make")
    path.write_bytes(b"\x80\x02c__builtin__\ngetattr\n(ctheirs\nNet\n)\x81X\x04\x00\x00\x00maketR.")
    assert isinstance(read(path).root, PickledObject)
    path.write_bytes(
        b"\x80\x02" + b"c__builtin__\ngetattr\n(ctheirs\nNet\n" + b"X\x00\x04\x00\x00" + b"m" * 1024 + b"tR."
    )
    with pytest.raises(UnsafeCheckpoint, match="asks to run __builtin__.getattr"):
        read(path)


def test_lazy_tensors_say_what_they_are(tmp_path):
    torch.save({"a": torch.ones(2, 3, dtype=torch.bfloat16)}, tmp_path / "a.pth")
    tensor = read(tmp_path / "a.pth")["a"]
    assert isinstance(tensor, LazyTensor)
    assert repr(tensor) == "LazyTensor(shape=(2, 3), dtype=dtype(bfloat16))"
