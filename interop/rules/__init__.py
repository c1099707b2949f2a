"""The registry: which Flax layer is which PyTorch layer, and how each array is laid out.

Loading, saving and verification all read it, and nothing else in the project states a layout.
"""

from .layout import ChannelsLast as ChannelsLast
from .layout import Layout as Layout
from .layout import OutputsLast as OutputsLast
from .layout import Same as Same
from .layout import TransposedChannelsLast as TransposedChannelsLast
from .layout import Unrolled as Unrolled
from .registry import RULES as RULES
from .registry import TORCH_RULES as TORCH_RULES
from .rule import ArrayRule as ArrayRule
from .rule import Rule as Rule
from .walk import Entry as Entry
from .walk import entries as entries
from .walk import modules as modules
