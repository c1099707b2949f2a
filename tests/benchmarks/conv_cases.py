"""The convolutions that the benchmark times, by family."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One convolution of stride 1, with an output as long as its input.

    Attributes:
        family: What it belongs to.
        batch: Samples.
        size: Samples along each spatial axis.
        channels: Of input and output.
        taps: Of the kernel, along each axis.
        dilation: Between taps, along each axis.
        groups: Of channels.
        causal: All padding before, none behind.
        stride: Above 1 for a transposed convolution.
    """

    family: str
    batch: int
    size: tuple[int, ...]
    channels: tuple[int, int]
    taps: int
    dilation: int
    groups: int = 1
    causal: bool = False
    stride: int = 1

    @property
    def name(self) -> str:
        """As the tables have it."""
        size = "x".join(map(str, self.size))
        kind = f" g{self.groups}" if self.groups > 1 else ""
        stride = f" s{self.stride}" if self.stride > 1 else ""
        return f"{self.batch}x{size} {self.channels[0]}->{self.channels[1]} k{self.taps} d{self.dilation}{kind}{stride}"

    @property
    def padding(self) -> tuple[tuple[int, int], ...]:
        """Zeros before and after each axis."""
        reach = self.dilation * (self.taps - 1)
        pair = (reach, 0) if self.causal else (reach // 2, reach - reach // 2)
        return (pair,) * len(self.size)

    @property
    def flops(self) -> float:
        """Multiplications and additions, of which those with padding count too."""
        places = self.batch  # each of a transposed convolution's inputs meets every tap too
        for length in self.size:
            places *= length
        return 2.0 * places * self.taps ** len(self.size) * self.channels[0] * self.channels[1] / self.groups


def _plane(batch: int, edge: int, c_in: int, c_out: int, dilation: int) -> Case:
    return Case("2-D dense", batch, (edge, edge), (c_in, c_out), 3, dilation)


def _depthwise(batch: int, size: tuple[int, ...], channels: int, taps: int, dilation: int) -> Case:
    return Case(f"{len(size)}-D depthwise", batch, size, (channels, channels), taps, dilation, channels)


def _cube(edge: int, channels: int, dilation: int) -> Case:
    return Case("3-D dense", 1, (edge,) * 3, (channels, channels), 3, dilation)


CASES = (
    _plane(1, 65, 256, 256, 2),
    _plane(1, 65, 512, 256, 4),
    _plane(1, 33, 2048, 256, 12),
    _plane(1, 65, 2048, 256, 36),
    _plane(1, 65, 64, 64, 2),
    _plane(2, 129, 64, 64, 4),
    _plane(8, 33, 128, 128, 6),
    Case("2-D grouped", 1, (65, 65), (256, 256), 3, 2, 32),
    _depthwise(1, (65, 65), 512, 3, 2),
    _depthwise(1, (65, 65), 960, 5, 2),
    _depthwise(4, (33, 33), 256, 3, 4),
    Case("1-D dense", 1, (16000,), (64, 128), 2, 512, causal=True),
    Case("1-D dense", 8, (1024,), (64, 64), 3, 8),
    _depthwise(1, (3199,), 512, 3, 8),
    _depthwise(1, (3199,), 512, 3, 128),
    _cube(48, 16, 1),
    _cube(48, 16, 2),
    _cube(64, 5, 4),
    _cube(64, 21, 8),
    _cube(48, 30, 16),
)
UPSAMPLING = Case("2-D transposed", 1, (33, 33), (21, 21), 16, 1, 21, stride=8)
