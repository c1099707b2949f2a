"""Fuzz the reader with atheris, from the root of the repository: ``python -m tests.fuzz.run -runs=1000000``.

Needs ``pip install atheris``. Other arguments are libFuzzer's; a directory among them keeps what was found.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["interop.files", "dilax.cli.contents"]):
    from tests.fuzz.seeds import WORDS, seeds
    from tests.fuzz.target import Target


def main() -> None:
    """Run until libFuzzer has had enough."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        found = seeds()
        target = Target(Path(folder) / "checkpoint", found)
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(found):
            (corpus / f"seed-{number:03}").write_bytes(seed)
        words = Path(folder) / "words"
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in WORDS))
        defaults = [
            f"-dict={words}",
            "-max_len=8192",
            "-timeout=10",
            "-rss_limit_mb=800",
            f"-artifact_prefix={Path.cwd()}/",
        ]
        extra = sys.argv[1:]
        directories = [argument for argument in extra if not argument.startswith("-")]
        options = [argument for argument in extra if argument.startswith("-")]
        atheris.Setup([sys.argv[0], *defaults, *options, *directories, str(corpus)], target)
        atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
