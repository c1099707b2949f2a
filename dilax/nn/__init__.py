"""Flax NNX layers with PyTorch's semantics, channels last."""

from .activation import ACTIVATIONS as ACTIVATIONS
from .activation import ELU as ELU
from .activation import GELU as GELU
from .activation import ReLU as ReLU
from .containers import Sequential as Sequential
from .convolution import Conv as Conv
from .convolution import ConvTranspose as ConvTranspose
from .dropout import FeatureDropout as FeatureDropout
from .normalization import BatchNorm as BatchNorm
from .padding import CircularPad as CircularPad
from .padding import ConstantPad as ConstantPad
from .padding import ReflectionPad as ReflectionPad
from .padding import ReplicationPad as ReplicationPad
from .padding import ZeroPad as ZeroPad
