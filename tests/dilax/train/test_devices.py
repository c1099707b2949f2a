"""The same run on one device and on many, in one process and in two: the same samples, losses and metrics."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import AbstractMesh, Mesh

from dilax.errors import ArgumentError
from dilax.train import Layout, read_meta
from dilax.train.agreement import sum_over_processes

CHILD = Path(__file__).with_name("child.py")


def _start(directory: Path, devices: int, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices), "JAX_ENABLE_X64": "1"}
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(directory), json.dumps(options)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def _end(child: subprocess.Popen[str], status: int = 0) -> Any:
    try:
        out, err = child.communicate(timeout=280)
    finally:
        child.kill()
    assert child.returncode == status, err
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _end(_start(tmp_path_factory.mktemp("alone") / "run", 1))


def _same(found: Any, expected: Any) -> None:
    assert list(found["losses"]) == list(expected["losses"]) == ["1", "2", "3", "4", "5", "6"]
    for step, loss in expected["losses"].items():
        np.testing.assert_allclose(found["losses"][step], loss, rtol=1e-10, err_msg=step)
    np.testing.assert_allclose(found["kernel"], expected["kernel"], rtol=1e-8)
    for one, other in zip(found["metrics"], expected["metrics"], strict=True):
        np.testing.assert_allclose(list(one.values()), list(other.values()), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("devices", "sharding"), [(2, "data"), (4, "fsdp")])
def test_several_devices(tmp_path: Path, alone: Any, devices: int, sharding: str) -> None:
    found = _end(_start(tmp_path / "run", devices, sharding=sharding))
    assert found["devices"] == devices
    assert found["samples"] == alone["samples"]
    _same(found, alone)


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["data", "fsdp"])
def test_two_processes_of_two_devices(tmp_path: Path, alone: Any, sharding: str) -> None:
    first, second = _pair(tmp_path / "run", sharding=sharding)
    assert first["devices"] == 4
    for found in (first, second):
        _same(found, alone)
    halves = [np.reshape(found["samples"], (-1, 4)) for found in (first, second)]
    assert np.concatenate(halves, axis=1).ravel().tolist() == alone["samples"]


def _pair(directory: Path, *, status: int = 0, **options: Any) -> list[Any]:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    children = [_start(directory, 2, processes=[address, 2, which], **options) for which in (0, 1)]
    return [_end(child, status) for child in children]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_one_device_to_two_processes_and_back(tmp_path: Path, alone: Any) -> None:
    run = tmp_path / "run"
    first = _end(_start(run, 1, stop=1), 143)
    both = _pair(run, sharding="fsdp", resume=True, config={"epochs": 1})
    last = _end(_start(run, 2, sharding="fsdp", resume=True))
    losses = first["losses"] | both[1]["losses"] | last["losses"]
    assert first["step"] == 2
    _same({**last, "losses": losses, "metrics": [*both[0]["metrics"], *last["metrics"]]}, alone)


@pytest.mark.slow
@pytest.mark.parametrize(("place", "step"), [("compilation", 0), ("evaluation", 3), ("saving", None)])
def test_stopped_anywhere_it_goes_on_bit_for_bit(tmp_path: Path, alone: Any, place: str, step: int | None) -> None:
    stopped = _end(_start(tmp_path / "run", 1, stop_in=place), 143)
    assert stopped["step"] == step or step is None
    assert stopped["step"] == read_meta(tmp_path / "run").step
    last = _end(_start(tmp_path / "run", 1, resume=True))
    assert stopped["losses"] | last["losses"] == alone["losses"]
    assert stopped["metrics"] + last["metrics"] == alone["metrics"]
    assert last["kernel"] == alone["kernel"]


def test_a_batch_that_cannot_be_divided() -> None:
    layout = Layout(Mesh(np.array(jax.devices() * 3), ("data",)))
    layout.check_batch(12, 2)
    with pytest.raises(ArgumentError) as caught:
        layout.check_batch(8, 2)
    assert str(caught.value) == (
        "train: data.batch_size=8 cannot be divided into 2 parts of 3 equal shares, one a device; pass a multiple of 6."
    )


def test_fully_sharded_arrays_are_cut_along_the_longest_axis_that_can_be() -> None:
    layout = Layout(AbstractMesh((4,), ("data",)), "fsdp")  # type: ignore[arg-type]
    shapes = {
        (3, 3, 8, 16): (None, None, None, "data"),
        (5, 4): (None, "data"),
        (8, 8): ("data", None),
        (7,): (),
        (): (),
    }
    state = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
    assert [tuple(sharding.spec) for sharding in layout.shardings(state)] == list(shapes.values())


def test_counts_are_added_up_exactly() -> None:
    counts = np.array([[2**40 + 3, 5], [0, 2**31]], np.int64)
    np.testing.assert_array_equal(sum_over_processes(counts), counts)
