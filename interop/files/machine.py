"""A pickle reader that runs nothing: it knows data, and a table of names that stand for inert values.

The opcodes are those of protocols 2 to 5 (PEP 307, 3154, 574) without extension codes and out-of-band buffers.
"""

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from .budget import Budget
from .calls import BUILTINS, uncalled
from .faults import Exceeded, Fault, Forbidden, Malformed
from .tensors import LazyTensor
from .values import Global, PickledObject

# Calls what a name stands for; takes the arguments and gives the value.
Builder = Callable[..., Any]

_LONG_BYTES = 1024
_U8, _U16, _U32, _U64, _I32, _DOUBLE = map(struct.Struct, ("<B", "<H", "<I", "<Q", "<i", ">d"))
# What a value that holds others counts for: it takes as much more memory than a number.
_CONTAINER = 8


class Pending:
    """A value that a pickle completes only after it has named it."""

    def build(self, state: Any) -> Any:
        """The value, from the state that the pickle gives it."""
        raise NotImplementedError


class Machine:
    """Reads pickles that lie one after another in ``data``.

    Args:
        data: The bytes.
        builders: What a dotted name stands for when a pickle calls it; of other names see :mod:`interop.files.calls`.
        values: What a dotted name stands for when a pickle only names it; other names stay :class:`Global`.
        persistent: Gives the value for a persistent id.
        budget: What the file may cost.
    """

    def __init__(
        self,
        data: memoryview,
        *,
        builders: dict[str, Builder],
        values: dict[str, Any],
        persistent: Callable[[Any], Any],
        budget: Budget,
    ) -> None:
        self.position = 0
        self._data = data
        sets = {f"{module}.{kind}": partial(_set, make, budget) for module in BUILTINS for kind, make in _SETS.items()}
        self._builders = builders | sets
        self._values = values
        self._persistent = persistent
        self.budget = budget
        self._limits = budget.limits
        self._start()

    def _start(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._pending: dict[int, list[int]] = {}

    def load(self) -> Any:
        """The value of the next pickle; :attr:`position` is then behind it."""
        self._start()
        begin, budget = self.position, self.budget
        end = min(len(self._data), begin + self._limits.pickle_bytes)
        try:
            while True:
                at = self.position
                if at >= end:
                    if end < len(self._data):
                        raise Exceeded(f"holds a pickle of more than {self._limits.pickle_bytes:,} bytes", at)
                    raise Malformed("ends in the middle of a pickle", at)
                code = self._data[at]
                self.position = at + 1
                if code == 0x2E:  # STOP
                    value = self._stack.pop()
                    if self._stack or self._marks:
                        raise Malformed("holds a pickle that leaves values over", at)
                    return value
                handler = _HANDLERS[code]
                if handler is None:
                    raise self._unknown(code, at)
                handler(self)
                budget.objects -= _WEIGHTS[code]
                if budget.objects < 0:
                    budget.values(0)
        except Fault as fault:
            if fault.offset is None:
                fault.offset = at
            raise
        except (LookupError, struct.error, ValueError, TypeError, OverflowError) as error:
            raise Malformed(f"holds a malformed pickle ({type(error).__name__}: {error})", at) from error

    def _unknown(self, code: int, at: int) -> Fault:
        if code in b"\x82\x83\x84\x97\x98":
            return Forbidden(f"holds a pickle that refers outside itself (opcode {code:#04x})", at)
        if code in b"0123456789()abcdefghijklmnopqrstuvwxyz" or code in b"FILSVPR":
            return Malformed(f"holds a pickle with the opcode {chr(code)!r} of the text protocol", at)
        return Malformed(f"holds a pickle with the unknown opcode {code:#04x}", at)

    # Reading

    def _take(self, count: int) -> memoryview:
        begin = self.position
        if count < 0 or begin + count > len(self._data):
            raise Malformed(f"ends before the {count:,} bytes that a pickle asks for")
        self.position = begin + count
        return self._data[begin : self.position]

    def _number(self, form: struct.Struct) -> Any:
        at = self.position
        self.position = at + form.size
        return form.unpack_from(self._data, at)[0]

    def _byte(self) -> int:
        self.position += 1
        return self._data[self.position - 1]

    def _text_bytes(self, form: struct.Struct) -> memoryview:
        count = self._number(form)
        if count > self._limits.text_bytes:
            raise Exceeded(f"asks for a text of {count:,} bytes, more than {self._limits.text_bytes:,}")
        return self._take(count)

    def _line(self) -> str:
        length = bytes(self._data[self.position : self.position + 512]).find(b"\n")
        if length < 0:
            raise Malformed("names something by more than 512 bytes")
        return str(self._take(length + 1)[:-1], "utf-8")

    def _pop_mark(self) -> list[Any]:
        values, self._stack = self._stack, self._marks.pop()
        return values

    # Values

    def _push_long(self, form: struct.Struct) -> None:
        count = self._number(form)
        if not 0 <= count <= _LONG_BYTES:
            raise Exceeded(f"asks for a whole number of {count:,} bytes, more than {_LONG_BYTES:,}")
        self._stack.append(int.from_bytes(self._take(count), "little", signed=True))

    def _push_global(self, module: Any, name: Any) -> None:
        if not (type(module) is str and type(name) is str and module and name) or len(module) + len(name) > 1024:
            raise Malformed("names something that is no module and no attribute")
        named = Global(module, name)
        self._stack.append(self._values.get(str(named), named))

    def _reduce(self) -> None:
        args = self._stack.pop()
        called = self._stack.pop()
        if type(args) is not tuple:
            raise Malformed("calls something with arguments that are no tuple")
        self._stack.append(self._call(called, args))

    def _call(self, called: Any, args: tuple[Any, ...]) -> Any:
        if not isinstance(called, Global):
            raise Forbidden(f"calls a value of type {type(called).__name__}")
        builder = self._builders.get(str(called))
        if builder is None:
            return uncalled(called, args)
        self.budget.arguments(args)
        value = builder(*args)
        if isinstance(value, LazyTensor):
            self.budget.tensor(value)
        return value

    def _new_object(self, keywords: Any = None) -> None:
        args = self._stack.pop()
        cls = self._stack.pop()
        if not isinstance(cls, Global) or type(args) is not tuple:
            raise Malformed("makes an object of something that is no class")
        if str(cls) in self._builders and not keywords:
            self._stack.append(self._call(cls, args))
        else:
            self._stack.append(PickledObject(cls, args))

    def _build(self) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if isinstance(target, PickledObject):
            target.state = state
        elif isinstance(target, Pending):
            self.budget.arguments((state,))
            self._stack[-1] = target.build(state)
            for key in self._pending.pop(id(target), ()):
                self._memo[key] = self._stack[-1]
        elif type(target) is OrderedDict and type(state) is dict:
            # A state_dict's versions of its modules, which PyTorch hangs on the mapping.
            target.__dict__.update({key: value for key, value in state.items() if key == "_metadata"})
        elif state:
            raise Malformed(f"gives a state to a value of type {type(target).__name__}")

    def _set_items(self, pairs: list[Any]) -> None:
        target = self._stack[-1]
        held = target.items if isinstance(target, PickledObject) else target
        if not isinstance(held, dict) or len(pairs) % 2:
            raise Malformed("puts pairs into something that is no dictionary")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            held[self.budget.key(key)] = value

    def _append(self, values: list[Any]) -> None:
        target = self._stack[-1]
        held = target.elements if isinstance(target, PickledObject) else target
        if type(held) is not list:
            raise Malformed("appends to something that is no list")
        held.extend(values)

    def _add(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, PickledObject):
            target.elements.extend(values)
        elif type(target) is set:
            target.update(map(self.budget.key, values))
        else:
            raise Malformed("adds to something that is no set")

    def _drop(self, _value: Any) -> None:
        pass

    def _remember(self, key: int) -> None:
        value = self._stack[-1]
        self._memo[key] = value
        if isinstance(value, Pending):
            self._pending.setdefault(id(value), []).append(key)

    def _last(self, count: int) -> tuple[Any, ...]:
        values = tuple(self._stack[-count:])
        if len(values) < count:
            raise IndexError("too few values")
        del self._stack[-count:]
        return values


_SETS: dict[str, Any] = {"set": set, "frozenset": frozenset}


def _set(make: Callable[[Iterable[Any]], Any], budget: Budget, elements: Any = ()) -> Any:
    """How protocol 2 writes a set."""
    if type(elements) not in (list, tuple):
        raise Malformed("makes a set of something else")
    return make(map(budget.key, elements))


def _frozen(m: Machine, values: list[Any]) -> frozenset[Any]:
    return frozenset(map(m.budget.key, values))


def _dictionary(m: Machine, pairs: list[Any]) -> dict[Any, Any]:
    return {m.budget.key(key): value for key, value in zip(pairs[::2], pairs[1::2], strict=True)}


def _stack_global(m: Machine) -> None:
    name = m._stack.pop()
    m._push_global(m._stack.pop(), name)


def _protocol(m: Machine) -> None:
    version = m._byte()
    if not 2 <= version <= 5:
        raise Malformed(f"holds a pickle of protocol {version}, and the known ones are 2 to 5")


def _mark(m: Machine) -> None:
    m._marks.append(m._stack)
    m._stack = []


# What a checkpoint is mostly made of, each in one call.


def _push_byte(m: Machine) -> None:
    m._stack.append(m._data[m.position])
    m.position += 1


def _push_text(m: Machine) -> None:
    m._stack.append(str(m._text_bytes(_U32), "utf-8", "surrogatepass"))


def _push_tuple(m: Machine) -> None:
    values, m._stack = m._stack, m._marks.pop()
    m._stack.append(tuple(values))


def _remember(m: Machine) -> None:
    m._remember(m._data[m.position])
    m.position += 1


def _recall(m: Machine) -> None:
    m._stack.append(m._memo[m._data[m.position]])
    m.position += 1


def _handlers() -> list[Callable[[Machine], None] | None]:
    push = lambda give: lambda m: m._stack.append(give(m))  # noqa: E731
    table: dict[int, Callable[[Machine], None]] = {
        0x80: _protocol,
        0x95: lambda m: m._drop(m._number(_U64)),  # FRAME: a hint for buffered readers
        0x28: _mark,
        0x30: lambda m: m._drop(m._stack.pop()),  # POP
        0x31: lambda m: m._drop(m._pop_mark()),  # POP_MARK
        0x32: lambda m: m._stack.append(m._stack[-1]),  # DUP
        0x4E: push(lambda m: None),
        0x88: push(lambda m: True),
        0x89: push(lambda m: False),
        0x4A: push(lambda m: m._number(_I32)),
        0x4B: _push_byte,
        0x4D: push(lambda m: m._number(_U16)),
        0x8A: lambda m: m._push_long(_U8),
        0x8B: lambda m: m._push_long(_I32),
        0x47: push(lambda m: m._number(_DOUBLE)),
        0x58: _push_text,
        0x8C: push(lambda m: str(m._text_bytes(_U8), "utf-8", "surrogatepass")),
        0x8D: push(lambda m: str(m._text_bytes(_U64), "utf-8", "surrogatepass")),
        0x54: push(lambda m: str(m._text_bytes(_I32), "latin-1")),  # Python 2's text
        0x55: push(lambda m: str(m._text_bytes(_U8), "latin-1")),
        0x42: push(lambda m: bytes(m._text_bytes(_U32))),
        0x43: push(lambda m: bytes(m._text_bytes(_U8))),
        0x8E: push(lambda m: bytes(m._text_bytes(_U64))),
        0x96: push(lambda m: bytes(m._text_bytes(_U64))),  # BYTEARRAY8
        0x29: push(lambda m: ()),
        0x85: lambda m: m._stack.append(m._last(1)),
        0x86: lambda m: m._stack.append(m._last(2)),
        0x87: lambda m: m._stack.append(m._last(3)),
        0x5D: push(lambda m: []),
        0x61: lambda m: m._append([m._stack.pop()]),
        0x65: lambda m: m._append(m._pop_mark()),
        0x7D: push(lambda m: {}),
        0x73: lambda m: m._set_items(list(m._last(2))),
        0x75: lambda m: m._set_items(m._pop_mark()),
        0x8F: push(lambda m: set()),
        0x90: lambda m: m._add(m._pop_mark()),
        0x71: _remember,
        0x72: lambda m: m._remember(m._number(_U32)),
        0x94: lambda m: m._remember(len(m._memo)),
        0x68: _recall,
        0x6A: push(lambda m: m._memo[m._number(_U32)]),
        0x63: lambda m: m._push_global(m._line(), m._line()),
        0x93: _stack_global,
        0x52: Machine._reduce,
        0x81: Machine._new_object,
        0x92: lambda m: m._new_object(m._stack.pop()),
        0x62: Machine._build,
        0x51: lambda m: m._stack.append(m._persistent(m._stack.pop())),
    }

    def from_mark(make: Callable[[Machine, list[Any]], Any]) -> Callable[[Machine], None]:
        def handler(m: Machine) -> None:
            values = m._pop_mark()
            m._stack.append(make(m, values))

        return handler

    table |= {
        0x74: _push_tuple,
        0x6C: from_mark(lambda m, values: values),
        0x64: from_mark(_dictionary),
        0x91: from_mark(_frozen),
    }
    return [table.get(code) for code in range(256)]


_HANDLERS = _handlers()
# (, ), NEWOBJ, REDUCE, PERSID, SET, FROZENSET, [, }, tuples, lists, dictionaries
_WEIGHTS = [_CONTAINER if code in b"(\x81\x92RQ\x8f\x91]}\x85\x86\x87tldb" else 1 for code in range(256)]
