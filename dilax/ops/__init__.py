"""Pure functions on arrays, channels last."""

from .convolution import Lowering as Lowering
from .convolution import conv as conv
from .convolution import conv_transpose as conv_transpose
