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


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("interop.align", "align"),
        ("interop.verify", "verify"),
        ("interop.testing.randomise", "randomise"),
        ("interop.testing.assert_parity", "assert_parity"),
    ],
)
def test_what_needs_pytorch_says_so_without_it(name, function):
    program = f"import sys; sys.modules['torch'] = None; import interop.testing; {name}"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    message = f"{function}: the package 'torch' is not installed; install it with pip install 'dilax-nn[torch]'."
    assert run.stderr.splitlines()[-1] == f"dilax.errors.MissingDependency: {message}"
