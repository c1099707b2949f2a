"""``dilax demo``: the main job on one screen, with a real brain and a real kill."""

import multiprocessing
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.rule import Rule
from rich.text import Text

from ..errors import DilaxError, FileError, MissingDependency
from .console import console, working
from .eval import metrics_table

_OPTIONS = {"channels": 8, "num_classes": 3, "activation": "elu", "batch_norm": True}
_STEPS, _BATCH, _PATCH = 40, 2, 40
_LEARNING_RATE, _LATER_LEARNING_RATE = 0.003, 0.0005
_EPOCHS = 4
# The kill comes here: in the middle of the second epoch.
_KILL_AT = _STEPS + _STEPS // 2


def demo(*, output: Path | None = None) -> int:
    """Show the main job: PyTorch to Flax with proof, training that survives a kill, and back to PyTorch.

    Takes some three minutes on two cores; downloads nothing.

    For example:

        dilax demo
        dilax demo --output /tmp/demo

    Args:
        output: Directory to write, absent or empty; dilax-demo, or the first free name like it, if not given.
    """
    _check_packages()
    directory = _directory(output)
    begin = time.monotonic()
    out = console()
    step = _Steps()

    step("PyTorch trains a MeshNet for one epoch on the MNI152 brain and saves what people save")
    module = _train_in_torch(directory / "torch.pth")

    step("dilax reads the file in a process without PyTorch and fills a Flax model")
    _run("convert", str(directory / "torch.pth"), "--model", "meshnet", "--options", "activation=elu",
         "--no-verify", "--output", str(directory / "converted"))  # fmt: skip

    step("both frameworks agree, layer by layer")
    _verify(directory / "converted", module)

    step(f"JAX goes on training in a process that is killed at step {_KILL_AT}")
    _train_and_kill(directory)

    step("the run resumes at its last checkpoint, with a lower learning rate, and finishes")
    result = _resume(directory / "run")
    if result.stopped_by is not None:
        return 128 + int(result.stopped_by)
    out.print(metrics_table(result.metrics, "held-out slab"))

    step("the whole brain, and a picture of it")
    image, labels = _predict(directory, result.model)

    step("the trained model goes back to PyTorch and gives the same labels there")
    _return_to_torch(directory / "trained.pth", result.model, image, labels)
    out.print(Rule(style="green"))
    out.print(f"all done in {time.monotonic() - begin:.0f} s; everything is in {directory}", style="bold green")
    return 0


class _Steps:
    """Prints numbered headings."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, text: str) -> None:
        self._count += 1
        console().print(Rule(Text(f"{self._count}. {text}", "bold"), align="left"))


def _check_packages() -> None:
    import importlib.util

    for package in ("torch", "nilearn", "matplotlib"):
        if importlib.util.find_spec(package) is None:
            raise MissingDependency("demo", package, "demo")


def _directory(output: Path | None) -> Path:
    names = (Path("dilax-demo" if count == 1 else f"dilax-demo-{count}") for count in range(1, 1000))
    chosen = next(name for name in names if not name.exists()) if output is None else output
    if chosen.exists() and (not chosen.is_dir() or any(chosen.iterdir())):
        raise FileError("demo", chosen, "exists and is not empty", "pass another --output")
    try:
        chosen.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError("demo", chosen, f"cannot be made ({error.strerror})", "pass another --output") from error
    return chosen


def _train_in_torch(path: Path) -> Any:
    """One epoch of cross-entropy as any PyTorch script does it."""
    import torch

    from dilax.data import load_source
    from interop import reference

    torch.manual_seed(0)
    module = reference.create("meshnet", **_OPTIONS)
    _begin_as_identity(module)
    optimizer = torch.optim.AdamW(module.parameters(), lr=_LEARNING_RATE)
    source = load_source("mni152")
    batches = iter(source.training(batch_size=_BATCH, seed=1, crop=_PATCH))
    losses = []
    with working("training in PyTorch") as show:
        for step in range(_STEPS):
            batch = next(batches)
            logits = module(torch.from_numpy(batch["image"]).movedim(-1, 1))
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(batch["labels"]).long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            show(step + 1, _STEPS)
    torch.save({"model": module.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 1}, path)
    console().print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f} in {_STEPS} steps; saved {path}")
    return module.eval()


def _begin_as_identity(module: Any) -> None:
    """Let each convolution begin by passing its input on; dilated ones that begin at random blur everything.

    Source: Yu and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", 2016, section 3.
    """
    import torch

    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, torch.nn.Conv3d):
                layer.weight += torch.nn.init.dirac_(torch.empty_like(layer.weight))


def _run(*arguments: str) -> None:
    """A subcommand in a process of its own."""
    run = subprocess.run([sys.executable, "-m", "dilax", *arguments], capture_output=True, text=True, check=False)
    for line in (run.stdout + run.stderr).splitlines():
        console().print(f"  {line}")
    if run.returncode:
        raise DilaxError(f"demo: dilax {arguments[0]} ended with status {run.returncode}; its message is above.")


def _verify(path: Path, module: Any) -> None:
    import interop
    from dilax.data import HELD_OUT, load_mni152
    from dilax.train import load_model

    model, _ = load_model(path)
    volume = load_mni152()
    patch = volume.image[34:64, HELD_OUT.start : HELD_OUT.stop, 30:64]
    report = interop.verify(module, model, patch[None, ..., None])
    console().print(report)
    report.raise_if_different()


def _train_and_kill(directory: Path) -> None:
    """Train in a child process, and send it SIGKILL in the middle of an epoch."""
    from dilax.train import DataConfig, OptimizerConfig, TrainConfig, read_meta

    about = read_meta(directory / "converted")
    config = TrainConfig(
        model=about.model, model_options=about.model_options, epochs=_EPOCHS, steps_per_epoch=_STEPS,
        data=DataConfig(batch_size=_BATCH, patch_size=_PATCH), optimizer=OptimizerConfig(learning_rate=_LEARNING_RATE),
    )  # fmt: skip
    context = multiprocessing.get_context("spawn")
    steps = context.Value("i", 0)
    child = context.Process(target=_train_child, args=(config, directory, steps))
    child.start()
    while steps.value < _KILL_AT and child.is_alive():
        time.sleep(0.01)
    child.kill()
    child.join()
    out = console()
    out.show_cursor(True)  # the child hid it for its bar and can no longer show it
    if child.exitcode != -signal.SIGKILL:
        raise DilaxError(f"demo: training ended with status {child.exitcode}; its message is above.")
    in_epoch = steps.value % _STEPS
    out.print(f"killed with SIGKILL at step {steps.value}, after {in_epoch} steps of epoch {steps.value // _STEPS + 1}")


def _train_child(config: Any, directory: Path, steps: Any) -> None:
    from dilax.train import load_model
    from dilax.train import train as run

    from .run_view import RunView

    model, _ = load_model(directory / "converted")
    with RunView() as view:

        def report(event: Any) -> None:
            view(event)
            steps.value = getattr(event, "step", 0)

        run(config, directory / "run", initial=model, report=report)


def _resume(directory: Path) -> Any:
    from dilax.train import TrainConfig, read_meta
    from dilax.train import train as run

    from .run_view import RunView

    stored = read_meta(directory).config
    with RunView() as view:
        config = TrainConfig.from_dict(stored or {}).merge({"optimizer": {"learning_rate": _LATER_LEARNING_RATE}})
        return run(config, directory, resume=True, report=view)


def _predict(directory: Path, model: Any) -> tuple[Any, Any]:
    from dilax.data import HELD_OUT, load_mni152, write_labels
    from dilax.predict import draw_labels, predict_labels

    volume = load_mni152()
    with working("predicting") as show:
        labels = predict_labels(model, volume.image, progress=show)
    write_labels(directory / "labels.nii.gz", labels, volume.affine)
    picture = directory / "prediction.png"
    draw_labels(
        picture, volume.image, {"truth": volume.labels, "prediction": labels}, affine=volume.affine,
        class_names=volume.class_names, at=(45, (HELD_OUT.start + HELD_OUT.stop) // 2, 45),
        title="MNI152, coronal plane held out",
    )  # fmt: skip
    console().print(f"saved {picture} and {directory / 'labels.nii.gz'}")
    return volume.image, labels


def _return_to_torch(path: Path, model: Any, image: Any, labels: Any) -> None:
    import torch

    import interop
    from interop import reference

    interop.save(model, path)
    module = reference.create("meshnet", **_OPTIONS)
    module.load_state_dict(torch.load(path, weights_only=True))
    module.eval()
    out = console()
    out.print(f"saved {path}")
    # Two classes can tie in float32, where each framework may take another; in float64 they do not.
    for dtype, ours in ((torch.float64, _labels_float64(model, image)), (torch.float32, labels)):
        with torch.no_grad():
            theirs = module.to(dtype)(torch.from_numpy(image).to(dtype)[None, None])
        same = int((theirs[0].argmax(0).numpy() == ours).sum())
        out.print(f"{dtype}: PyTorch gives the same label for {same:,} of {ours.size:,} voxels")
        if dtype is torch.float64 and same < ours.size:
            raise DilaxError("demo: the labels differ between the frameworks; please report this.")


def _labels_float64(model: Any, image: Any) -> Any:
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from dilax.predict import predict_labels

    with jax.enable_x64(True), working("predicting in float64") as show:
        graph, state = nnx.split(model)
        state = jax.tree.map(lambda a: a.astype(jnp.float64) if jnp.issubdtype(a.dtype, jnp.floating) else a, state)
        return predict_labels(nnx.merge(graph, state), image, progress=show)
