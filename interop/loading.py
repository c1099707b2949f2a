"""state_dict -> Flax model: strict, and all or nothing."""

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dilax.errors import MismatchError, nearest

from .arrays import to_numpy
from .files import LazyTensor
from .loading_arrays import Conversion, Converted, convert
from .loading_names import Names, Rename, agree
from .loading_wrappers import find
from .rules import Entry, differences, entries, layers

# How many threads copy at most: more wait for the memory.
_THREADS = 4
# What PyTorch before 0.4.1 did not have.
_COUNT = "num_batches_tracked"
# How many pairs of names are compared to find the nearest.
_PAIRS = 10_000


@dataclass(frozen=True)
class LoadReport:
    """What :func:`load` did.

    Attributes:
        arrays: Arrays filled.
        parameters: Numbers in them.
        wrapper: Key of the checkpoint under which the state_dict was, dots between nested ones, or None for a bare one.
        casts: A sentence for each array whose dtype changed.
        unused: Keys of the checkpoint beside the state_dict, such as ``optimizer`` and ``epoch``.
        prefix: What all keys of the checkpoint began with and those of the model do not, such as ``module.``.
        renamed: How many keys ``rename`` changed.
        ignored: Keys that ``ignore`` left out.
        notes: Sentences about what Flax has no equal of, and about options with which the model computes something else
            than PyTorch's layers do by default.
    """

    arrays: int
    parameters: int
    wrapper: str | None
    casts: tuple[str, ...]
    unused: tuple[str, ...]
    prefix: str = ""
    renamed: int = 0
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        source = "the state_dict" if self.wrapper is None else f"the state_dict in {self.wrapper!r}"
        lines = [f"{self.arrays} arrays, {self.parameters:,} numbers, from {source}"]
        if self.prefix:
            lines.append(f"without the prefix {self.prefix!r} of all keys")
        if self.renamed:
            lines.append(f"renamed: {self.renamed} keys")
        if self.ignored:
            lines.append(f"ignored: {', '.join(self.ignored)}")
        if self.unused:
            lines.append(f"not used: {', '.join(self.unused)}")
        return "\n".join([*lines, *self.notes, *self.casts])


def load(
    model: nnx.Module,
    state_dict: Mapping[str, Any],
    *,
    rename: Rename | None = None,
    ignore: Iterable[str] = (),
    dtype: Any = None,
    sharding: jax.sharding.Sharding | None = None,
) -> LoadReport:
    """Fill a Flax NNX model with the arrays of a PyTorch checkpoint.

    Every key is used exactly once and every array of the model is filled exactly once, or one error lists all that does
    not fit and the model is as it was. The layers may be those of :mod:`dilax.nn` or of ``flax.nnx``, in modules of the
    user's own. A prefix that all keys share and the model's do not have is taken off.

    The model may be abstract, ``nnx.eval_shape(lambda: Model(...))``: then its arrays are made here, one by one, and no
    array is ever in memory twice. Its streams of random numbers begin at seed 0.

    Args:
        model: The model; its variables are given new arrays, which share no memory with the checkpoint.
        state_dict: A mapping of names to tensors or arrays in PyTorch's layout;
            also the dictionary around it that training scripts save.
        rename: New names for keys of the checkpoint, as they are there: a mapping of whole keys, or of prefixes that
            end before a dot, to what replaces them; or a function of a key.
        ignore: Patterns, as of a shell, of keys of the checkpoint to leave out.
        dtype: What arrays of floats become; the model's dtypes if None.
        sharding: Where the arrays go; to the devices of those that they replace if None.

    Returns:
        What was done.

    Raises:
        MismatchError: Keys are missing or unexpected, or shapes or dtypes disagree.
        ArgumentError: A name in ``rename`` or a pattern in ``ignore`` matches no key.
        DilaxError: There is no state_dict in ``state_dict``, or more than one; or a layer has no rule.
    """
    report = fill(
        "load", type(model).__name__, entries(model), state_dict,
        rename=rename, ignore=ignore, dtype=dtype, sharding=sharding,
    )  # fmt: skip
    streams = _begin_random_numbers(model)
    notes = [*report.notes, *differences(layers(model))]
    if streams:
        notes.append(f"random numbers begin at seed 0 ({streams} stream{'s' * (streams > 1)})")
    return replace(report, notes=tuple(notes))


def fill(
    function: str,
    model: str,
    wanted: list[Entry],
    checkpoint: Mapping[str, Any],
    *,
    rename: Rename | None,
    ignore: Iterable[str],
    dtype: Any,
    sharding: jax.sharding.Sharding | None,
) -> LoadReport:
    """Fill the slots of a model's entries from a checkpoint, or raise and leave them as they are."""
    found = find(function, checkpoint)
    known = {key for entry in wanted for key in (*entry.keys, *entry.older)}
    names = agree(function, found.arrays, known, rename=rename, ignore=ignore)
    # What Flax has no array for may be absent: PyTorch before 0.4.1 did not count batches.
    wanted = [_in_its_form(entry, names) for entry in wanted if entry.slots or entry.keys[0] in names.source]
    uncounted = _uncounted(wanted, names)
    problems = _compare([entry for entry in wanted if entry.keys[0] not in uncounted], names, found.arrays)
    if problems:
        raise MismatchError(
            function, f"the state_dict and the {model} differ in {len(problems)} places", problems,
            "build the model with the checkpoint's options, or pass the checkpoint of this model",
        )  # fmt: skip
    conversion = Conversion()

    wide = jax.dtypes.canonicalize_dtype(np.float64) == np.float64

    def made(entry: Entry) -> Converted:
        with jax.enable_x64(wide):  # which each thread has of its own
            tensors = {
                key: uncounted[key] if key in uncounted else found.arrays[names.source[key]] for key in entry.keys
            }
            return _made(tensors, entry, dtype, sharding)

    # NumPy copies in one thread; reading the file and taking memory wait in turns.
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        for entry, converted in zip(wanted, pool.map(made, wanted), strict=True):
            conversion.add(entry, converted)
    if conversion.problems:
        raise MismatchError(
            function, "the model cannot hold the state_dict's values", conversion.problems,
            "convert the values before loading",
        )  # fmt: skip
    for entry in wanted:
        for slot in entry.slots:
            slot.put(conversion.arrays[slot.path])
    return LoadReport(
        len(conversion.arrays),
        sum(array.size for array in conversion.arrays.values()),
        found.wrapper,
        tuple(conversion.casts),
        found.unused,
        names.prefix,
        names.renamed,
        names.ignored,
        (*conversion.notes(), *_say_uncounted(uncounted)),
    )


def _made(tensors: Mapping[str, Any], entry: Entry, dtype: Any, sharding: Any) -> Converted:
    """Make one entry's arrays; the pages of a file that were read for them do not stay in memory."""
    found = convert(entry, {key: to_numpy(tensor) for key, tensor in tensors.items()}, dtype=dtype, sharding=sharding)
    for tensor in tensors.values():
        if isinstance(tensor, LazyTensor):
            tensor.storage.release()
    return found


def _in_its_form(entry: Entry, names: Names) -> Entry:
    """The entry with the keys of the older form, if that is what the checkpoint has."""
    older = entry.older and not any(key in names.source for key in entry.keys)
    return replace(entry, keys=entry.older, older=()) if older and entry.older[0] in names.source else entry


def _uncounted(wanted: list[Entry], names: Names) -> dict[str, np.ndarray[Any, Any]]:
    """Zeros by key for all counts of batches, if the checkpoint has none: PyTorch, too, begins them at 0 then."""
    if any(key.endswith(_COUNT) for key in names.source):
        return {}
    return {entry.keys[0]: np.zeros((), np.int64) for entry in wanted if entry.slots and entry.keys[0].endswith(_COUNT)}


def _say_uncounted(uncounted: Mapping[str, Any]) -> list[str]:
    if not uncounted:
        return []
    first, more = next(iter(uncounted)), len(uncounted) - 1
    others = f" and {more} more like it" if more else ""
    return [f"{first}{others}: not in the checkpoint, as in files of PyTorch before 0.4.1; begins at 0"]


def _compare(wanted: list[Entry], names: Names, arrays: Mapping[str, Any]) -> list[str]:
    shapes = {key: shape for entry in wanted for key, shape in zip(entry.keys, entry.torch_shapes, strict=True)}
    missing = [key for key in shapes if key not in names.source]
    unexpected = [key for key in names.source if key not in shapes]
    # Of two models that have nothing in common, hints would take minutes and help nobody.
    few = len(missing) * len(unexpected) <= _PAIRS
    problems = []
    for key, shape in shapes.items():
        if key not in names.source:
            problems.append(f"missing: {key} {list(shape)}{nearest(key, unexpected) if few else ''}")
        elif (found := tuple(arrays[names.source[key]].shape)) != shape:
            problems.append(f"shape: {key} is {list(found)}, the model's {list(shape)}")
    for key in unexpected:
        hint = nearest(key, missing) if few else ""
        problems.append(f"unexpected: {key} {list(arrays[names.source[key]].shape)}{hint}")
    return problems


def _begin_random_numbers(model: nnx.Module) -> int:
    """Give an abstract model's streams of random numbers a state; says how many there were."""
    states = [value for _, value in nnx.iter_graph(model) if isinstance(value, nnx.RngState)]
    abstract = [state for state in states if isinstance(state.get_value(), jax.ShapeDtypeStruct)]
    keys = 0
    for state in abstract:
        value = state.get_value()
        if isinstance(state, nnx.RngKey):
            key = jax.random.fold_in(jax.random.key(0, impl=_generator(value)), keys)
            state.set_value(jax.random.split(key, value.shape) if value.shape else key)
            keys += 1
        else:
            state.set_value(jnp.zeros(value.shape, value.dtype))
    return keys


def _generator(key: Any) -> Any:
    """Name of the generator that an abstract key is one of."""
    found: list[Any] = []
    jax.eval_shape(lambda traced: found.append(jax.random.key_impl(traced)), key)
    return found[0]
