"""Where a run's arrays are: on one device or many, in one process or many; its numbers are the same."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from ..errors import ArgumentError
from .checks import choice

Sharding = Literal["data", "fsdp"]
_AXIS = "data"


@dataclass(frozen=True)
class Layout:
    """The devices of all processes in a row, each with an equal share of every batch.

    Args:
        mesh: The devices; None for JAX's default device alone.
        sharding: ``"data"``: every device has the whole state. ``"fsdp"``: of each array a device has a part, cut along
            the longest axis that the devices divide.
    """

    mesh: Mesh | None = None
    sharding: Sharding = "data"

    @classmethod
    def over_all_devices(cls, sharding: Sharding = "data") -> "Layout":
        """All devices of all processes; no mesh where there is only one.

        Raises:
            ArgumentError: There is no such sharding.
        """
        choice("Layout", "sharding", sharding, get_args(Sharding))
        devices = jax.devices()
        return cls(None if len(devices) == 1 else Mesh(np.array(devices), (_AXIS,)), sharding)

    @property
    def devices(self) -> int:
        """How many devices there are."""
        return 1 if self.mesh is None else self.mesh.size

    def check_batch(self, batch_size: int, parts: int) -> None:
        """See whether a batch, computed in parts, can be divided among the devices.

        Raises:
            ArgumentError: It cannot.
        """
        if batch_size % (self.devices * parts):
            raise ArgumentError(
                "train", "data.batch_size", batch_size,
                f"cannot be divided into {parts} parts of {self.devices} equal shares, one a device",
                f"pass a multiple of {self.devices * parts}",
            )  # fmt: skip

    def shardings(self, state: Any) -> Any:
        """Where each array of a state belongs; None without a mesh."""
        return None if self.mesh is None else jax.tree.map(self._sharding_of, state)

    def place(self, state: Any) -> Any:
        """Put a state, equal in all processes, where it belongs."""
        return state if self.mesh is None else jax.tree.map(_put, state, self.shardings(state))

    def place_batch(self, batch: Any) -> Any:
        """Make the global batch of this process's share."""
        if self.mesh is None:
            return batch
        sharding = NamedSharding(self.mesh, P(_AXIS))
        return {name: jax.make_array_from_process_local_data(sharding, array) for name, array in batch.items()}

    @property
    def whole(self) -> Any:
        """The sharding of what every device has; None without a mesh."""
        return None if self.mesh is None else NamedSharding(self.mesh, P())

    @property
    def devices_here(self) -> int:
        """How many devices this process has."""
        return 1 if self.mesh is None else len(self.mesh.local_devices)

    @property
    def here(self) -> Mesh | None:
        """The devices of this process; None if it has one alone."""
        if self.mesh is None or self.devices_here == 1:
            return None
        return Mesh(np.array(self.mesh.local_devices), (_AXIS,))

    def copies_here(self, arrays: Any) -> Any:
        """Arrays as a whole on each device of this process; all processes do it together."""
        if self.mesh is None:
            return arrays
        gathered = jax.jit(lambda tree: tree, out_shardings=self.whole)(arrays)
        return jax.tree.map(partial(_local, mesh=self.here), gathered)

    def _sharding_of(self, array: Any) -> Any:
        if self.sharding == "data" or jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
            return self.whole
        fitting = [axis for axis, length in enumerate(array.shape) if length and length % self.devices == 0]
        if not fitting:
            return self.whole
        longest = max(fitting, key=lambda axis: array.shape[axis])
        assert self.mesh is not None
        return NamedSharding(self.mesh, P(*(_AXIS if axis == longest else None for axis in range(array.ndim))))


def _local(array: Any, mesh: Mesh | None) -> Any:
    """What this process has of an array that every device has: on the devices of a mesh, or on its only one."""
    if mesh is None:
        return array.addressable_data(0)
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_local(jax.random.key_data(array), mesh), impl=jax.random.key_impl(array))
    parts = [shard.data for shard in array.addressable_shards]
    return jax.make_array_from_single_device_arrays(array.shape, NamedSharding(mesh, P()), parts)


def _put(array: Any, sharding: NamedSharding) -> Any:
    """An array of all processes from one that each of them has."""
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_put(jax.random.key_data(array), sharding), impl=jax.random.key_impl(array))
    host = np.asarray(array)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])
