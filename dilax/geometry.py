"""How dilation changes the size of things: plain Python, one axis at a time."""

from collections.abc import Iterable

from .errors import ArgumentError


def effective_kernel_size(kernel_size: int, dilation: int = 1) -> int:
    """Length of input that one window of a dilated kernel spans, in samples.

    Args:
        kernel_size: Taps of the kernel along the axis, at least 1.
        dilation: Distance between neighbouring taps, at least 1.

    Returns:
        ``dilation * (kernel_size - 1) + 1``.

    Raises:
        ArgumentError: An argument is below 1.

    Source: Yu and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", 2016, section 2.

    >>> effective_kernel_size(3, dilation=2)
    5
    """
    _check_positive("effective_kernel_size", kernel_size=kernel_size, dilation=dilation)
    return dilation * (kernel_size - 1) + 1


def output_size(input_size: int, kernel_size: int, *, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Length of a convolution's output along one axis, in samples.

    Args:
        input_size: Length of the input, at least 0.
        kernel_size: Taps of the kernel, at least 1.
        stride: Distance between neighbouring windows, at least 1.
        padding: Zeros put at each of the two ends, at least 0.
        dilation: Distance between neighbouring taps, at least 1.

    Returns:
        ``(input_size + 2 * padding - effective_kernel_size) // stride + 1``.

    Raises:
        ArgumentError: An argument is out of range, or the padded input is shorter than the window.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, section 5.1.

    >>> output_size(7, 3), output_size(7, 3, dilation=2)
    (5, 3)
    """
    _check_positive("output_size", stride=stride)
    for name, value in (("input_size", input_size), ("padding", padding)):
        if value < 0:
            raise ArgumentError("output_size", name, value, "is negative", "pass an integer of at least 0")
    window = effective_kernel_size(kernel_size, dilation)
    if input_size + 2 * padding < window:
        raise ArgumentError(
            "output_size",
            "input_size",
            input_size,
            f"with padding {padding} is shorter than the window of {window} samples "
            f"(kernel_size {kernel_size}, dilation {dilation})",
            "pass a longer input, more padding, or less dilation",
        )
    return (input_size + 2 * padding - window) // stride + 1


def receptive_field(layers: Iterable[tuple[int, int, int]]) -> int:
    """Length of input that one output sample of a stack of convolutions can see, in samples.

    Args:
        layers: ``(kernel_size, stride, dilation)`` of each layer, first layer first.

    Returns:
        The receptive field; 1 for no layers.

    Raises:
        ArgumentError: A number is below 1.

    >>> receptive_field([(3, 1, 1), (3, 1, 2), (3, 1, 4)])
    15
    """
    field, step = 1, 1
    for kernel_size, stride, dilation in layers:
        _check_positive("receptive_field", stride=stride)
        field += (effective_kernel_size(kernel_size, dilation) - 1) * step
        step *= stride
    return field


def _check_positive(function: str, **values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ArgumentError(function, name, value, "is below 1", "pass an integer of at least 1")
