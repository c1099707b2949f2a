"""Pure functions on arrays, channels last."""

from .convolution import Lowering as Lowering
from .convolution import conv as conv
from .convolution import conv_transpose as conv_transpose
from .pad import PaddingMode as PaddingMode
from .pad import pad as pad
from .views import dilate_kernel as dilate_kernel
from .views import sample_phases as sample_phases
