"""``dilax inspect`` on files and directories of every kind: what it prints, and as JSON."""

import argparse
import collections
import enum
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import orbax.checkpoint as ocp
import pytest
import torch

from dilax.cli import main
from interop import reference


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """What a PyTorch training script saves, and its module."""
    torch.manual_seed(3)
    module = reference.create("meshnet", channels=4, num_classes=3, activation="elu", batch_norm=True)
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-4)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    for _ in range(5):
        module(torch.randn(2, 1, 5, 6, 7)).sum().backward()
        optimizer.step()
        scheduler.step()
    path = tmp_path_factory.mktemp("inspect") / "model.pth"
    saved = {
        "model": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": 7,
        "args": argparse.Namespace(lr=3e-4, name="a\x1b[31mb"),
    }
    torch.save(saved, path)
    return path, module


def _lines(capsys, *arguments):
    assert main(["inspect", *map(str, arguments)]) == 0
    return capsys.readouterr().out.splitlines()


def test_tree_of_a_training_checkpoint(checkpoint, capsys):
    path, module = checkpoint
    lines = _lines(capsys, path)
    assert lines[0] == f"{path}: torch, {path.stat().st_size / 1000:.1f} kB"
    size = sum(t.nbytes for t in module.state_dict().values())
    assert lines[1].split() == ["├──", "model.model", "65", "arrays", f"{size / 1000:.1f}", "kB"]
    assert lines[2].split() == ["│", "├──", "0", "2", "arrays", "448", "B"]
    assert lines[3].split() == ["│", "│", "├──", "weight", "4×1×3×3×3", "float32", "432", "B"]
    assert len({line.index("float32") for line in lines if "float32  " in line}) == 1
    arrays = sum(t.numel() for t in module.state_dict().values())
    moments = 2 * sum(p.numel() for p in module.parameters()) + 38
    tail = lines[lines.index(next(line for line in lines if "optimizer" in line)) :]
    assert tail[:6] == [
        "├── optimizer = AdamW, step 5, learning rate 3e-06, 114 arrays for 38 parameters, "
        f"{moments * 4 / 1000:.1f} kB",
        "├── scheduler = StepLR, epoch 5, learning rate 3e-06",
        "├── epoch = 7",
        "└── args",
        "    ├── lr = 0.0003",
        r"    └── name = 'a\x1b[31mb'",
    ]
    assert tail[6].startswith(
        f"179 arrays, {arrays + moments:,} numbers, {(size + 4 * moments) / 1000:.1f} kB; 170 float32, 9 int64"
    )
    assert tail[7:] == ["model: meshnet in_channels=1 channels=4 num_classes=3 batch_norm=True dropout=0.0"]


def test_json(checkpoint, capsys):
    path, module = checkpoint
    found = json.loads("\n".join(_lines(capsys, path, "--json", "--sha256")))
    state = module.state_dict()
    names = [entry["name"].removeprefix("model.") for entry in found["arrays"] if entry["name"].startswith("model.")]
    assert names == list(state)
    assert found["values"]["epoch"] == 7
    assert found["models"] == ["meshnet in_channels=1 channels=4 num_classes=3 batch_norm=True dropout=0.0"]
    assert found["training"] == [
        {
            "place": "optimizer",
            "kind": "AdamW",
            "scheduler": False,
            "step": 5,
            "learning_rates": [3e-06],
            "parameters": 38,
        },
        {
            "place": "scheduler",
            "kind": "StepLR",
            "scheduler": True,
            "step": 5,
            "learning_rates": [3e-06],
            "parameters": 0,
        },
    ]
    assert found["totals"]["arrays"] == len(found["arrays"]) == 179
    first = state["model.0.weight"].numpy()
    assert found["arrays"][0] == {
        "name": "model.model.0.weight",
        "shape": list(first.shape),
        "dtype": "float32",
        "bytes": first.nbytes,
        "sha256": hashlib.sha256(first.tobytes()).hexdigest(),
    }


def _optimizer(name, parameter):
    kinds = {"SGD": {"lr": 0.5, "momentum": 0.9}, "LBFGS": {"lr": 0.5}}
    return getattr(torch.optim, name)([parameter], **kinds.get(name, {"lr": 0.25}))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *((name, f"{name}, step 3, learning rate 0.25, ") for name in ("Adam", "AdamW", "NAdam", "RAdam", "Adamax")),
        *((name, f"{name}, step 3, learning rate 0.25, ") for name in ("RMSprop", "Adagrad", "Adadelta", "Rprop")),
        *((name, f"{name}, step 3, learning rate 0.25, ") for name in ("ASGD", "Adafactor")),
        ("SGD", "SGD, learning rate 0.5, 1 array for 1 parameter, 24 B"),
        ("LBFGS", "LBFGS, step "),
    ],
)
def test_optimizers_are_named(tmp_path, capsys, name, said):
    parameter = torch.nn.Parameter(torch.ones(2, 3))
    optimizer = _optimizer(name, parameter)

    def loss():
        optimizer.zero_grad()
        value = (parameter**2).sum()
        value.backward()
        return value

    for _ in range(3):
        optimizer.step(loss)
    path = tmp_path / "o.pth"
    torch.save({"deep": {"optimizer_states": [optimizer.state_dict()]}}, path)
    assert _lines(capsys, path)[1].startswith(f"└── deep.optimizer_states[0] = {said}")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("layer1.0.conv1.weight layer4.0.conv1.weight fc.weight", "ResNet with torchvision's names"),
        ("layer1.0.conv1.weight layer4.0.conv1.weight", "ResNet's layers, without a classifier"),
        ("features.0.weight features.3.weight classifier.6.weight", "VGG or AlexNet of torchvision"),
        (
            "backbone.layer4.0.conv1.weight classifier.0.convs.1.0.weight classifier.4.weight",
            "DeepLabV3 of torchvision",
        ),
        ("backbone.layer4.0.conv1.weight classifier.0.weight classifier.4.weight", "FCN of torchvision"),
        (
            "encoder.conv1.weight decoder.aspp.convs.1.0.weight segmentation_head.0.weight",
            "DeepLabV3 of segmentation_models_pytorch",
        ),
        (
            "encoder.conv1.weight decoder.aspp.0.convs.1.0.0.weight segmentation_head.0.weight",
            "DeepLabV3+ of segmentation_models_pytorch",
        ),
        (
            "encoder.conv1.weight decoder.psp.blocks.0.pool.1.0.bias segmentation_head.0.weight",
            "PSPNet of segmentation_models_pytorch",
        ),
        (
            "encoder.conv1.weight decoder.fpa.mid.0.conv.weight segmentation_head.0.weight",
            "PAN of segmentation_models_pytorch",
        ),
        (
            "encoder.conv1.weight decoder.blocks.0.conv1.0.weight segmentation_head.0.weight",
            "a model of segmentation_models_pytorch",
        ),
        ("conv_pre.weight_v ups.0.weight_g resblocks.0.convs1.0.weight_v conv_post.bias", "HiFi-GAN generator"),
        ("frontend.0.weight backend.0.weight output_layer.weight", "CSRNet"),
        ("my_features.0.weight my_classifier.6.weight", None),
    ],
)
def test_families_are_named(tmp_path, capsys, keys, said):
    torch.save({"state_dict": {f"module.{key}": torch.zeros(1) for key in keys.split()}}, tmp_path / "model.pth")
    last = _lines(capsys, tmp_path / "model.pth")[-1]
    assert last == (f"model: looks like {said}" if said else "2 arrays, 2 numbers, 8 B")


def test_shared_memory_parts_and_bare_tensors(tmp_path, capsys):
    base = torch.arange(24.0)
    torch.save({"a": base[:6], "b": base.view(4, 6).t()}, tmp_path / "shared.pth")
    assert _lines(capsys, tmp_path / "shared.pth")[1:] == [
        "├── a  6                  float32      24 B",
        "└── b  6×4                float32      96 B  shares memory with a",
        "2 arrays, 30 numbers, 120 B (96 B stored: arrays share memory, or show a part of it)",
    ]
    torch.save(torch.ones(3, 2, dtype=torch.bfloat16), tmp_path / "bare.pth")
    assert _lines(capsys, tmp_path / "bare.pth")[1:] == [
        "└── (the tensor)  3×2                bfloat16      12 B",
        "1 array, 6 numbers, 12 B",
    ]


def test_index_of_a_sharded_checkpoint(tmp_path, capsys):
    from safetensors.numpy import save_file

    save_file({"a.weight": np.arange(3)}, tmp_path / "one.safetensors", metadata={"format": "np\x1b"})
    save_file({"b.weight": np.ones((2, 2), np.float16)}, tmp_path / "two.safetensors")
    weight_map = {"a.weight": "one.safetensors", "b.weight": "two.safetensors"}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    assert _lines(capsys, index)[1:] == [
        "├── a.weight  3                  int64        24 B",
        "└── b.weight  2×2                float16       8 B",
        "2 arrays, 7 numbers, 32 B; 1 int64, 1 float16",
    ]
    assert _lines(capsys, tmp_path / "one.safetensors")[-1] == r"metadata format: 'np\x1b'"


def test_directories_of_orbax_alone(tmp_path, capsys):
    tree = {"layer": {"kernel": np.ones((3, 4), np.float32)}, "steps": [np.arange(3), 5]}
    with ocp.CheckpointManager(tmp_path / "run") as manager:
        for step in (2, 10):
            items = {"state": ocp.args.StandardSave(tree), "about": ocp.args.JsonSave({"seed": 1})}
            manager.save(step, args=ocp.args.Composite(**items))
        manager.wait_until_finished()
    expected = [
        "├── state               3 arrays                        80 B",
        "│   ├── layer.kernel    3×4                float32      48 B",
        "│   └── steps           2 arrays                        32 B",
        "│       ├── 0           3                  int64        24 B",
        "│       └── 1           scalar             int64         8 B",
    ]
    note = "note: Orbax wrote it, so nothing tells whether its numbers are those that were saved"
    lines = _lines(capsys, tmp_path / "run")
    assert [" ".join(line.split()) for line in lines[1:6]] == [" ".join(line.split()) for line in expected]
    assert lines[6:] == [
        "├── step = 10",
        "└── about = {'seed': 1}",
        "3 arrays, 16 numbers, 80 B; 1 float32, 2 int64",
        note,
    ]
    assert _lines(capsys, tmp_path / "run" / "2" / "state")[1].startswith("├── layer.kernel  3×4")
    (tmp_path / "empty").mkdir()
    assert main(["inspect", str(tmp_path / "empty")]) == 2


Pair = collections.namedtuple("Pair", ["first", "second"])


class Phase(enum.Enum):
    TRAIN = 1


def test_arrays_inside_objects(tmp_path, capsys):
    saved = {"pair": Pair(torch.ones(2, 3), 5), "phase": Phase.TRAIN, "set": {torch.ones(4)}, 7: torch.ones(1)}
    torch.save(saved, tmp_path / "objects.pth")
    assert _lines(capsys, tmp_path / "objects.pth")[1:] == [
        "├── pair[0]  2×3                float32      24 B",
        "├── set[0]   4                  float32      16 B",
        "├── 7        1                  float32       4 B",
        "├── pair[1] = 5",
        f"└── phase = '<{__name__}.Phase, not imported>'",
        "3 arrays, 11 numbers, 44 B",
    ]


@pytest.mark.timeout(60)
def test_keys_that_are_no_names(tmp_path, capsys):
    torch.save({0: torch.ones(2), (1, "a"): torch.ones(3), None: torch.ones(1)}, tmp_path / "keys.pth")
    assert _lines(capsys, tmp_path / "keys.pth")[1:] == [
        "├── 0         2                  float32       8 B",
        "├── (1, 'a')  3                  float32      12 B",
        "└── None      1                  float32       4 B",
        "3 arrays, 6 numbers, 24 B",
    ]
    torch.save({"a." * 3000 + "b": torch.ones(2)}, tmp_path / "deep.pth")
    assert _lines(capsys, tmp_path / "deep.pth")[-1] == "1 array, 2 numbers, 8 B"


def test_lists_that_a_file_names_again_and_again(tmp_path, capsys):
    inner = b"](" + b"K\x01" * 900 + b"eq\x000"
    pairs = b"".join(b"M" + number.to_bytes(2, "little") + b"h\x00" for number in range(2000))
    (tmp_path / "again.pkl").write_bytes(b"\x80\x02" + inner + b"}(" + pairs + b"u.")
    values = json.loads("\n".join(_lines(capsys, tmp_path / "again.pkl", "--json")))["values"]
    assert len(values) == 2000
    assert values["0"] == values["100"] == [1] * 900  # so many elements in full, then as short texts
    assert values["1999"] == "[1, 1, 1, 1, 1, 1, 1, 1, … 900 in all]"


def test_only_what_an_index_needs_is_imported(tmp_path):
    """NumPy, and what parses a command line and draws tables, take longer to import than all the rest."""
    torch.save({"a": torch.ones(2, dtype=torch.bfloat16), "epoch": 3}, tmp_path / "state.pth")
    code = (
        "import sys; from dilax.cli import main; "
        f"assert main(['inspect', {str(tmp_path / 'state.pth')!r}]) == 0; "
        "print(sorted({'jax', 'torch', 'numpy', 'ml_dtypes', 'rich', 'tyro', 'PIL'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_neither_jax_nor_torch_is_imported(checkpoint, tmp_path):
    fixtures = Path(__file__).parents[2] / "interop" / "files" / "fixtures"
    with ocp.StandardCheckpointer() as saver:
        saver.save(tmp_path / "orbax", {"a": np.ones(3)})
    for path in (checkpoint[0], fixtures / "floats.safetensors", tmp_path / "orbax"):
        code = (
            f"import sys; from dilax.cli import main; assert main(['inspect', {str(path)!r}]) == 0; "
            "print(sorted({'jax', 'torch', 'orbax'} & set(sys.modules)), file=sys.stderr)"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert run.stderr == "[]\n"
