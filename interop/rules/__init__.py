"""The registry: which Flax layer is which PyTorch layer, and how each array is laid out.

Loading, saving and verification all read it, and nothing else in the project states a layout.
"""

from .layers import RULES as RULES
from .layers import Rule as Rule
from .layout import ChannelsLast as ChannelsLast
from .layout import Layout as Layout
from .layout import Same as Same
from .walk import Entry as Entry
from .walk import entries as entries
from .walk import modules as modules
