"""The registry: which Flax layer is which PyTorch layer, and how each array is laid out.

Loading, saving and verification all read it, and nothing else in the project states a layout.
"""

from .entry import Entry as Entry
from .entry import Path as Path
from .entry import Slot as Slot
from .entry import to_flax as to_flax
from .entry import to_torch as to_torch
from .join import Absent as Absent
from .join import Biases as Biases
from .join import FusedGruBiases as FusedGruBiases
from .join import Join as Join
from .join import One as One
from .join import Stacked as Stacked
from .layout import ChannelsLast as ChannelsLast
from .layout import Flipped as Flipped
from .layout import Layout as Layout
from .layout import OutputsLast as OutputsLast
from .layout import Reshaped as Reshaped
from .layout import Same as Same
from .layout import TransposedChannelsLast as TransposedChannelsLast
from .layout import Unrolled as Unrolled
from .matching import differences as differences
from .registry import FLAX_RULES as FLAX_RULES
from .registry import RULES as RULES
from .registry import TORCH_RULES as TORCH_RULES
from .rule import ArrayRule as ArrayRule
from .rule import FlaxRule as FlaxRule
from .rule import JoinRule as JoinRule
from .rule import Rule as Rule
from .tracing import trace as trace
from .walk import entries as entries
from .walk import layers as layers
from .walk import modules as modules
