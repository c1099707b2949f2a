"""Files that are damaged, or ask for more than they hold; no PyTorch is needed to make them."""

import struct
import zipfile

PROTO = b"\x80\x02"


def zipped(path, pickled, *, entries=(), compression=zipfile.ZIP_STORED):
    """Write a checkpoint as torch.save lays it out, of whatever pickle, and give its path."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, content in entries:
            archive.writestr(name, content)
    return path


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


PICKLES = {
    "text of 4 GiB": PROTO + b"X\xff\xff\xff\xff" + b"a",
    "bytes of 2**63": b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b"a.",
    "bytearray of 2**63": b"\x80\x05\x96" + struct.pack("<Q", 2**63) + b"a.",
    "long of 2 GiB": PROTO + b"\x8b\xff\xff\xff\x7f" + b"a.",
    "negative long": PROTO + b"\x8b\xff\xff\xff\xff" + b"a.",
    "extension code": PROTO + b"\x82\x01.",
    "out-of-band buffer": b"\x80\x05\x97.",
    "stack underflow": PROTO + b"R.",
    "memo of nothing": PROTO + b"h\x05.",
    "mark without end": PROTO + b"((((.",
    "values left over": PROTO + b"NN.",
    "unknown opcode": PROTO + b"\xff.",
    "text protocol": PROTO + b"I5\n.",
    "text protocol's call": PROTO + b"(S'true'\nios\nsystem\n.",
    "protocol 0": b"\x80\x00N.",
    "protocol 9": b"\x80\x09N.",
    "no stop": PROTO + b"N",
    "name without end": PROTO + b"c" + b"a" * 600,
    "name with no module": PROTO + b"c\nsystem\n.",
    "call of a text": PROTO + b"X\x01\x00\x00\x00a)R.",
    "call with a list": PROTO + b"ccollections\nOrderedDict\n]R.",
    "module-name confusion": PROTO + b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n)R.",
    "dotted name of an allowed module": PROTO + b"ccollections\nOrderedDict.__init__\n)R.",
    "allowed name through another module": PROTO + b"cos\nOrderedDict\n)R.",
    "lambda-like layout": PROTO + b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN)Nt" + b"R.",
    "tensor of a tuple": PROTO + b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))\x89Nt" + b"R.",
    "state of a list": PROTO + b"]}X\x01\x00\x00\x00aNsb.",
    "items of a tuple": PROTO + b")NNs.",
    "elements of a dictionary": PROTO + b"}Na.",
    "list as a key": PROTO + b"}]Ns.",
    "nested tuple as a key": PROTO + b"})" + b"\x85" * 100_000 + b"Ns.",
    "storage that is none": PROTO + b"(X\x07\x00\x00\x00storageNX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x05tQ.",
    "storage that is not there": PROTO
    + b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x009X\x03\x00\x00\x00cpuK\x05tQ.",
    "complex of a text": PROTO + b"cbuiltins\ncomplex\nX\x02\x00\x00\x001j\x85R.",
    "bytes of a lookup": PROTO + b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.",
    "NumPy array of objects": PROTO + b"cnumpy\ndtype\nX\x01\x00\x00\x00O\x85R.",
    "surplus of arguments": PROTO + b"ctorch\nSize\n(NNNtR.",
    "frozenset of lists": b"\x80\x04(]\x91.",
    "set of lists": b"\x80\x04\x8f(]\x90.",
    "not UTF-8": PROTO + b"X\x02\x00\x00\x00\xff\xfe.",
}


def safetensors(header, body=b""):
    return struct.pack("<Q", len(header)) + header + body


SAFETENSORS = {
    "overlap": safetensors(
        b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}',
        bytes(6),
    ),
    "gap": safetensors(b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}', bytes(6)),
    "more at the end": safetensors(b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}', bytes(5)),
    "out of bounds": safetensors(b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}', bytes(3)),
    "another size": safetensors(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,4]}}', bytes(4)),
    "key twice": safetensors(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":1}'),
    "negative": safetensors(b'{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,-1]}}'),
    "backwards": safetensors(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[4,0]}}', bytes(4)),
    "huge shape": safetensors(b'{"a":{"dtype":"U8","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,4]}}', bytes(4)),
    "float shape": safetensors(b'{"a":{"dtype":"U8","shape":[4.0],"data_offsets":[0,4]}}', bytes(4)),
    "metadata of numbers": safetensors(b'{"__metadata__":{"a":1}}'),
    "deep JSON": safetensors(b'{"a":' + b"[" * 100_000),
    "no JSON": safetensors(b"{nothing here}"),
    "more keys": safetensors(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}}'),
    "header longer than the file": struct.pack("<Q", 1000) + b"{}",
    "header over the cap": struct.pack("<Q", 2**38) + b"{}",
}


def tar_member(name: str, content: bytes) -> bytes:
    """A header of tar, and the content, in whole blocks."""
    header = bytearray(512)
    header[: len(name)] = name.encode()
    header[124:135] = b"%011o" % len(content)
    header[148:156] = b" " * 8
    header[156:157] = b"0"
    header[257:265] = b"ustar\x0000"
    header[148:155] = b"%06o\0" % sum(header)
    return bytes(header) + content + bytes(-len(content) % 512)
