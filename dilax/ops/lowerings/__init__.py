"""The ways to compute a convolution and its two gradients, each a pure function."""

from .blocks import blocks as blocks
from .blocks import blocks_kernel_gradient as blocks_kernel_gradient
from .columns import columns as columns
from .columns import columns_kernel_gradient as columns_kernel_gradient
from .products import is_product as is_product
from .products import product as product
from .products import product_input_gradient as product_input_gradient
from .slabs import depth_slabs as depth_slabs
from .slabs import depth_slabs_kernel_gradient as depth_slabs_kernel_gradient
from .slabs import folds as folds
from .swapped import swapped_kernel_gradient as swapped_kernel_gradient
from .taps import depthwise_kernel_gradient as depthwise_kernel_gradient
from .taps import depthwise_sums as depthwise_sums
from .taps import group_taps as group_taps
from .taps import taps as taps
from .taps import taps_kernel_gradient as taps_kernel_gradient
from .transposed import divides as divides
from .transposed import phases as phases
from .transposed import stuffed as stuffed
