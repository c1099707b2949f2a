"""The fuzzer's target on its seeds and on random changes of them; ``python -m tests.fuzz.run`` searches further."""

import random

import pytest

from .seeds import seeds
from .target import Target


@pytest.mark.parametrize("seed", range(4))
def test_seeds_and_random_changes(tmp_path, seed):
    generator = random.Random(seed)
    found = seeds()
    target = Target(tmp_path / "checkpoint", found)
    for data in found * 4:
        changed = bytearray(data)
        for _ in range(generator.choice((1, 1, 2, 8))):
            at = generator.randrange(1, len(changed) + 1)
            piece = generator.choice(
                (b"", generator.randbytes(1), changed[at : at + 9] * 2, found[generator.randrange(len(found))][1:20])
            )
            changed[at : at + generator.choice((0, 1, 1, 4))] = piece
        target(bytes(changed))
