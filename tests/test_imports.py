"""What an import may drag in, each in a process of its own."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import dilax", {"torch", "interop", "jax"}),
        ("import dilax.ops, dilax.nn, dilax.models, dilax.train, dilax.data", {"torch", "interop"}),
        ("import interop; interop.load; interop.state_dict; interop.save", {"torch"}),
        ("import interop; interop.resume_torch; interop.save_torch_checkpoint", {"torch"}),
        ("import interop; interop.read; interop.write", {"torch", "jax"}),
        ("import interop.testing.plugin", {"torch", "jax", "flax", "numpy"}),
    ],
)
def test_modules_that_stay_out(statement, absent):
    code = f"{statement}\nimport sys\nprint(*sorted({absent!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
