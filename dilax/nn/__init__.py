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
from .pooling import AdaptiveAvgPool as AdaptiveAvgPool
from .pooling import AdaptiveMaxPool as AdaptiveMaxPool
from .pooling import AvgPool as AvgPool
from .pooling import LPPool as LPPool
from .pooling import MaxPool as MaxPool
from .pooling import MaxUnpool as MaxUnpool
from .resizing import Upsample as Upsample
from .shuffling import ChannelShuffle as ChannelShuffle
from .shuffling import Fold as Fold
from .shuffling import PixelShuffle as PixelShuffle
from .shuffling import PixelUnshuffle as PixelUnshuffle
from .shuffling import Unfold as Unfold
