"""Vectors for Numba: ``<16 x float>`` and its like as values with operators, loaded from and stored to addresses.

Written out, because what the law needs (one rounding per operation, 32-bit integers that stay 32 bits wide, bit casts) is what a
loop vectoriser may change, widen or give up on. LLVM cuts a vector to what the machine has, so the code is the same everywhere.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, overload, register_model

from lsmx._definition.constants import TABLE
from lsmx._definition.formats import DOUBLE, FORMAT_OF, SINGLE, Format

I64 = ir.IntType(64)
ELEMENTS = {
    "bool": ir.IntType(1),
    "float32": ir.FloatType(),
    "float64": ir.DoubleType(),
    "int32": ir.IntType(32),
    "int64": I64,
}
STORED = {"float16": ir.HalfType(), "bfloat16": ir.IntType(16), "float32": ir.FloatType(), "float64": ir.DoubleType()}
BYTES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
MANGLED = {"bool": "i1", "float32": "f32", "float64": "f64", "int32": "i32", "int64": "i64"}


class Vector(types.Type):
    """``lanes`` elements of one type."""

    def __init__(self, element: str, lanes: int) -> None:
        self.element, self.lanes = element, lanes
        super().__init__(name=f"Vector({element}, {lanes})")

    def like(self, element: str) -> Vector:
        """As many lanes of another type."""
        return Vector(element, self.lanes)

    @property
    def ir(self) -> Any:
        """LLVM's type."""
        return ir.VectorType(ELEMENTS[self.element], self.lanes)

    @property
    def format(self) -> Format:
        """The format of its floats, or of what goes with its integers."""
        return SINGLE if self.element in ("float32", "int32") else DOUBLE

    @property
    def bits(self) -> Vector:
        """The integers of the same size."""
        return self.like("int32" if self.element == "float32" else "int64")


class Pointer(types.Type):
    """An address of elements in a dtype; they are computed with in the dtype's format, 64 bytes at a time."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.format = FORMAT_OF[dtype]
        super().__init__(name=f"Pointer({dtype})")

    @property
    def vector(self) -> Vector:
        """What a load gives."""
        return Vector("float32", 16) if self.format is SINGLE else Vector("float64", 8)

    @property
    def stored(self) -> Any:
        """LLVM's type of a vector in memory."""
        return ir.VectorType(STORED[self.dtype], self.vector.lanes)


@register_model(Vector)
class VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    """A vector is an LLVM vector."""

    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, kind.ir)


@register_model(Pointer)
class PointerModel(models.PrimitiveModel):  # type: ignore[misc]
    """A pointer is its address."""

    def __init__(self, manager: Any, kind: Pointer) -> None:
        super().__init__(manager, kind, I64)


def inlined(function: Callable[..., Any]) -> Any:
    """A function of vectors, which becomes part of its caller."""
    return numba.njit(error_model="numpy", forceinline=True)(function)


def spread(builder: Any, value: Any, given: types.Type, wanted: Vector) -> Any:
    """A number as a vector of it; a vector as it is."""
    if isinstance(given, Vector):
        return value
    element = ELEMENTS[wanted.element]
    if wanted.element.startswith("float"):
        if isinstance(given, types.Integer):
            value = builder.sitofp(value, element)
        elif value.type != element:
            value = builder.fptrunc(value, element) if element == ir.FloatType() else builder.fpext(value, element)
    elif value.type != element:
        value = builder.trunc(value, element) if value.type.width > element.width else builder.sext(value, element)
    if isinstance(value, ir.Constant):
        return ir.Constant(wanted.ir, [value] * wanted.lanes)
    one = builder.insert_element(ir.Constant(wanted.ir, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), wanted.lanes), [0] * wanted.lanes)
    return builder.shuffle_vector(one, ir.Constant(wanted.ir, ir.Undefined), zeros)


def elementwise(result: Callable[[Vector], Vector], emit: Callable[..., Any]) -> Any:
    """An operation on two or three vectors, or numbers that are spread to one: ``emit(builder, vector type, *values)``."""

    def code(kind: Vector, signature: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return emit(builder, kind, *(spread(builder, a, t, kind) for a, t in zip(args, sig.args, strict=True)))

        return signature, generate

    @intrinsic
    def binary(typing: Any, a: Any, b: Any) -> Any:
        kind = a if isinstance(a, Vector) else b
        return code(kind, result(kind)(a, b))

    return binary


def same(kind: Vector) -> Vector:
    """The result of arithmetic."""
    return kind


def truth(kind: Vector) -> Vector:
    """The result of a comparison."""
    return kind.like("bool")


def arithmetic(name: str) -> Callable[..., Any]:
    """LLVM's instruction for floats, or the one for integers. No flags: one rounding each."""

    def emit(builder: Any, kind: Vector, a: Any, b: Any) -> Any:
        return getattr(builder, "f" + name if kind.element.startswith("float") else name)(a, b)

    return emit


def comparison(sign: str) -> Callable[..., Any]:
    """False where either is NaN."""

    def emit(builder: Any, kind: Vector, a: Any, b: Any) -> Any:
        return (builder.fcmp_ordered if kind.element.startswith("float") else builder.icmp_signed)(sign, a, b)

    return emit


def bitwise(name: str) -> Callable[..., Any]:
    """An instruction of integers."""

    def emit(builder: Any, kind: Vector, a: Any, b: Any) -> Any:
        return getattr(builder, name)(a, b)

    return emit


OPERATORS = {
    operator.add: elementwise(same, arithmetic("add")),
    operator.sub: elementwise(same, arithmetic("sub")),
    operator.mul: elementwise(same, arithmetic("mul")),
    operator.lt: elementwise(truth, comparison("<")),
    operator.le: elementwise(truth, comparison("<=")),
    operator.gt: elementwise(truth, comparison(">")),
    operator.ge: elementwise(truth, comparison(">=")),
    operator.eq: elementwise(truth, comparison("==")),
    operator.and_: elementwise(same, bitwise("and_")),
    operator.or_: elementwise(same, bitwise("or_")),
    operator.xor: elementwise(same, bitwise("xor")),
    operator.lshift: elementwise(same, bitwise("shl")),
    operator.rshift: elementwise(same, bitwise("ashr")),
}


def overload_operator(sign: Any, code: Any) -> None:
    """Let an operator of Python take vectors."""

    @overload(sign)
    def implementation(a, b):  # type: ignore[no-untyped-def]  # Numba compares the parameters with those of the lambda
        if isinstance(a, Vector) or isinstance(b, Vector):
            return lambda a, b: code(a, b)
        return None


for _sign, _code in OPERATORS.items():
    overload_operator(_sign, _code)


def _larger(builder: Any, kind: Vector, a: Any, b: Any) -> Any:
    compare = builder.fcmp_ordered if kind.element.startswith("float") else builder.icmp_signed
    return builder.select(compare(">", a, b), a, b)


def _smaller(builder: Any, kind: Vector, a: Any, b: Any) -> Any:
    compare = builder.fcmp_ordered if kind.element.startswith("float") else builder.icmp_unsigned
    return builder.select(compare("<", a, b), a, b)


larger = elementwise(same, _larger)
"""The larger of two, ``b`` where either is NaN; integers are signed."""

smaller = elementwise(same, _smaller)
"""The smaller of two, ``b`` where either is NaN; integers are unsigned."""

not_below = elementwise(truth, lambda builder, kind, a, b: builder.fcmp_unordered(">=", a, b))
"""Where ``a < b`` does not hold, NaN included."""

unordered = elementwise(truth, lambda builder, kind, a, b: builder.fcmp_unordered("uno", a, b))
"""Where either is NaN."""


@intrinsic
def select(typing: Any, condition: Any, a: Any, b: Any) -> Any:
    """``a`` where the condition holds, else ``b``."""
    kind = a if isinstance(a, Vector) else b

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(args[0], *(spread(builder, x, t, kind) for x, t in zip(args[1:], sig.args[1:], strict=True)))

    return kind(condition, a, b), generate


@intrinsic
def minus_exact_product(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """``a - b * c`` where the product is exact, so that it may be contracted: the only place where the compiler is free to."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fsub(args[0], builder.fmul(args[1], args[2], flags=("contract",)), flags=("contract",))

    return a(a, b, c), generate


def conversion(result: Callable[[Vector], Vector], emit: Callable[..., Any]) -> Any:
    """An operation on one vector: ``emit(builder, value, result's LLVM type)``."""

    @intrinsic
    def unary(typing: Any, a: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return emit(builder, args[0], sig.return_type.ir)

        return result(a)(a), generate

    return unary


bits = conversion(lambda a: a.bits, lambda builder, x, kind: builder.bitcast(x, kind))
"""The bit patterns of floats."""


def _magnitude(builder: Any, x: Any, kind: Any) -> Any:
    width = 32 if kind.element == ir.FloatType() else 64
    word = ir.VectorType(ir.IntType(width), kind.count)
    mask = ir.Constant(word, [2 ** (width - 1) - 1] * kind.count)
    return builder.bitcast(builder.and_(builder.bitcast(x, word), mask), kind)


magnitude = conversion(same, _magnitude)
"""``|x|``."""

floats = conversion(lambda a: a.like(a.format.dtype), lambda builder, x, kind: builder.bitcast(x, kind))
"""The floats of bit patterns."""

signed_wide = conversion(lambda a: a.like("int64"), lambda b, x, kind: x if x.type == kind else b.sext(x, kind))
unsigned_wide = conversion(lambda a: a.like("int64"), lambda b, x, kind: x if x.type == kind else b.zext(x, kind))
"""Integers in 64 bits."""

to_integers = conversion(lambda a: a.like("int64"), lambda builder, x, kind: builder.fptosi(x, kind))
"""Integer-valued floats in 64 bits."""


@intrinsic
def to_floats(typing: Any, a: Any, like: Any) -> Any:
    """Integers as floats of the type of ``like``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.sitofp(args[0], sig.return_type.ir)

    return like(a, like), generate


@intrinsic
def spread_like(typing: Any, value: Any, like: Any) -> Any:
    """A number in every lane of the type of ``like``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return spread(builder, args[0], sig.args[0], sig.args[1])

    return like(value, like), generate


@intrinsic
def zero_integers(typing: Any, like: Any) -> Any:
    """64-bit zeros, as many as ``like`` has lanes."""
    kind = like.like("int64")

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(kind.ir, [0] * kind.lanes)

    return kind(like), generate


def across(name: str, element: Any) -> Any:
    """All lanes of a vector made one, in every order the same."""

    @intrinsic
    def reduction(typing: Any, a: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = sig.args[0]
            full = f"llvm.vector.reduce.{name}.v{kind.lanes}{MANGLED[kind.element]}"
            declared = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ELEMENTS[kind.element], [kind.ir]), full)
            return builder.call(declared, args)

        return getattr(types, element or a.element)(a), generate

    return reduction


total = across("add", "int64")
largest_integer = across("smax", None)
largest = across("fmax", None)
smallest = across("fmin", None)
smallest_integer = across("umin", None)


def verdict(sign: str, word: int) -> Any:
    """A comparison of all lanes' truth with all false (0) or all true (-1)."""

    @intrinsic
    def verdict(typing: Any, mask: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = ir.IntType(sig.args[0].lanes)
            return builder.icmp_unsigned(sign, builder.bitcast(args[0], kind), ir.Constant(kind, word))

        return types.boolean(mask), generate

    return verdict


any_of = verdict("!=", 0)
all_of = verdict("==", -1)
"""Whether a comparison holds in any lane, or in all."""


@intrinsic
def rounded(typing: Any, a: Any) -> Any:
    """To the nearest integer, half to even."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        name = f"llvm.rint.v{a.lanes}{MANGLED[a.element]}"
        declared = cgutils.get_or_insert_function(builder.module, ir.FunctionType(a.ir, [a.ir]), name)
        return builder.call(declared, args)

    return a(a), generate


@intrinsic
def lane(typing: Any, a: Any, index: Any) -> Any:
    """One lane, in every lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        i32 = ir.IntType(32)
        one = builder.insert_element(ir.Constant(a.ir, ir.Undefined), builder.extract_element(*args), ir.Constant(i32, 0))
        zeros = ir.Constant(ir.VectorType(i32, a.lanes), [0] * a.lanes)
        return builder.shuffle_vector(one, ir.Constant(a.ir, ir.Undefined), zeros)

    return a(a, index), generate


@intrinsic(prefer_literal=True)
def constant(typing: Any, like: Any, name: Any) -> Any:
    """A constant of the format that ``like`` has, in every lane."""
    value = float(named_constant(like.format, name.literal_value))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(like.ir, [value] * like.lanes)

    return like(like, name), generate


def named_constant(fmt: Format, name: str) -> float:
    """Constants of the format's own, and the magic numbers that follow from it."""
    p, (w0, w1, w2) = fmt.precision, fmt.limbs
    piece = p - 4
    derived = {
        "round_0": 1.5 * 2.0 ** (p - 1),  # x + this has a last bit of 1
        "round_w0": 1.5 * 2.0 ** (p - 1 - w0),  # ... of 2^-w0
        "round_w1": 1.5 * 2.0 ** (p - 1 - w0 - w1),  # ... of 2^-(w0 + w1)
        "w01": 2.0 ** (w0 + w1),
        "round_half": 1.5 * 2.0 ** (p - 1 - (p - 1) // 2),  # ... of half the word
        "round_g": 1.5 * 2.0 ** (p - w0),  # ... of 2^-(w0 - 1)
        "least": 2.0 ** (fmt.tiny + 1),
        "least_exact": 2.0 ** (fmt.tiny + p + 1),
        "one": 1.0,
        "far": -0.35,  # below it, round(x log2 e) is not 0
        "largest_exponent": float(fmt.huge - 1),
        "fine": 2.0**w2,
        "plain": 2.0 ** (fmt.tiny * 4 // 9),  # 2^-56: see law.plain_cotangent
        "plain_sum": 2.0 ** (fmt.tiny * 5 // 18),  # 2^-35
        "first_high": 2.0 ** (2 * piece - w0),
        "first_middle": 2.0 ** (piece - w0),
        "first_low": 2.0**-w0,
        "second_high": 2.0 ** (piece - w0 - w1),
        "second_low": 2.0 ** -(w0 + w1),
        "fine_high": 2.0 ** (piece - w0 - w1 - w2),
        "fine_low": 2.0 ** -(w0 + w1 + w2),
    }
    return derived[name] if name in derived else float(getattr(fmt, name))


@intrinsic(prefer_literal=True)
def integer(typing: Any, like: Any, name: Any) -> Any:
    """An integer of the format that ``like`` has: a number for shifts and masks, known when compiled."""
    fmt = like.format
    p, (w0, w1, w2) = fmt.precision, fmt.limbs
    value = {
        "fraction": p - 1,
        "bias": fmt.huge,
        "w0": w0,
        "w1": w1,
        "w2": w2,
        "piece": p - 4,
        "table_bits": len(TABLE).bit_length() - 1,
        "lanes": like.lanes if isinstance(like, Vector) else like.vector.lanes,
    }[name.literal_value]

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(I64, value)

    return types.int64(like, name), generate


@intrinsic(prefer_literal=True)
def horner(typing: Any, x: Any, name: Any) -> Any:
    """A polynomial of the format, highest power first: each product and each sum rounded once."""
    coefficients = x.format.inv[:-1] if name.literal_value == "inv_rest" else getattr(x.format, name.literal_value)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, *rest = (ir.Constant(x.ir, [float(c)] * x.lanes) for c in coefficients)
        p = first
        for c in rest:
            p = builder.fadd(builder.fmul(p, args[0]), c)
        return p

    return x(x, name), generate


@intrinsic(prefer_literal=True)
def look_up(typing: Any, index: Any, name: Any, like: Any) -> Any:
    """A table of the format at 64-bit indices."""
    label = name.literal_value
    table = TABLE if label == "table" else getattr(like.format, label)
    element, lanes = ELEMENTS[like.element], like.lanes

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array = ir.Constant(ir.ArrayType(element, len(table)), [float(v) for v in table])
        stored = cgutils.global_constant(builder.module, f"lsmx_{label}_{like.element}", array)
        out = ir.Constant(like.ir, ir.Undefined)
        for lane in range(lanes):
            at = ir.Constant(ir.IntType(32), lane)
            address = builder.gep(stored, [ir.Constant(I64, 0), builder.extract_element(args[0], at)])
            out = builder.insert_element(out, builder.load(address), at)
        return out

    return like(index, name, like), generate


@intrinsic(prefer_literal=True)
def pointer(typing: Any, address: Any, tag: Any) -> Any:
    """An address as a pointer to the dtype that ``tag`` begins with."""
    kind = Pointer(tag.literal_value.partition(" ")[0])

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return args[0]

    return kind(address, tag), generate


def _address(builder: Any, kind: Pointer, base: Any, index: Any, to: Any) -> Any:
    at = builder.add(base, builder.mul(index, ir.Constant(I64, BYTES[kind.dtype])))
    return builder.inttoptr(at, to.as_pointer())


@intrinsic
def shift(typing: Any, p: Any, elements: Any) -> Any:
    """The pointer so many elements on."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.add(args[0], builder.mul(args[1], ir.Constant(I64, BYTES[p.dtype])))

    return p(p, types.int64), generate


@intrinsic
def distance(typing: Any, p: Any, q: Any, elements: Any) -> Any:
    """How many elements of ``p`` lie between it and some elements of ``q``: for hints to the caches only."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        there = builder.add(args[1], builder.mul(args[2], ir.Constant(I64, BYTES[q.dtype])))
        return builder.ashr(builder.sub(there, args[0]), ir.Constant(I64, BYTES[p.dtype].bit_length() - 1))

    return types.int64(p, q, types.int64), generate


def widen(builder: Any, kind: Pointer, value: Any, to: Any) -> Any:
    """From memory to the format, which is exact."""
    if kind.dtype == "float16":
        return builder.fpext(value, to)
    if kind.dtype == "bfloat16":
        wide = ir.VectorType(ir.IntType(32), to.count) if isinstance(to, ir.VectorType) else ir.IntType(32)
        return builder.bitcast(builder.shl(builder.zext(value, wide), ir.Constant(wide, [16] * to.count)), to)
    return value


def narrow(builder: Any, kind: Pointer, value: Any, to: Any) -> Any:
    """From the format to memory, rounded to nearest-even."""
    if kind.dtype == "float16":
        return builder.fptrunc(value, to)
    if kind.dtype == "bfloat16":
        wide = ir.VectorType(ir.IntType(32), to.count)

        def many(v: int) -> Any:
            return ir.Constant(wide, [v] * to.count)

        word = builder.bitcast(value, wide)
        odd = builder.and_(builder.lshr(word, many(16)), many(1))
        rounded = builder.lshr(builder.add(word, builder.add(odd, many(0x7FFF))), many(16))
        nan = builder.fcmp_unordered("uno", value, value)
        return builder.trunc(builder.select(nan, many(0x7FC0), rounded), to)
    return value


@intrinsic
def load(typing: Any, p: Any, index: Any) -> Any:
    """The vector that starts at an index."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = builder.load(_address(builder, p, *args, p.stored), align=BYTES[p.dtype])
        return widen(builder, p, value, p.vector.ir)

    return p.vector(p, types.int64), generate


@intrinsic
def store(typing: Any, p: Any, index: Any, value: Any) -> Any:
    """Write a vector."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address = _address(builder, p, args[0], args[1], p.stored)
        builder.store(narrow(builder, p, args[2], p.stored), address, align=BYTES[p.dtype])
        return context.get_dummy_value()

    return types.void(p, types.int64, value), generate


@intrinsic
def load_one(typing: Any, p: Any, index: Any) -> Any:
    """One element, in the format."""
    number = types.float32 if p.format is SINGLE else types.float64

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        one, wide = ir.VectorType(STORED[p.dtype], 1), ir.VectorType(ELEMENTS[p.format.dtype], 1)
        value = widen(builder, p, builder.load(_address(builder, p, *args, one), align=BYTES[p.dtype]), wide)
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return number(p, types.int64), generate


@intrinsic
def store_one(typing: Any, p: Any, index: Any, value: Any) -> Any:
    """Write one element."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        one, wide = ir.VectorType(STORED[p.dtype], 1), ir.VectorType(ELEMENTS[p.format.dtype], 1)
        value = builder.insert_element(ir.Constant(wide, ir.Undefined), args[2], ir.Constant(ir.IntType(32), 0))
        builder.store(narrow(builder, p, value, one), _address(builder, p, args[0], args[1], one), align=BYTES[p.dtype])
        return context.get_dummy_value()

    return types.void(p, types.int64, value), generate


@intrinsic
def load_integer(typing: Any, address: Any, index: Any) -> Any:
    """A 64-bit integer of those at an address."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        at = builder.add(args[0], builder.mul(args[1], ir.Constant(I64, 8)))
        return builder.load(builder.inttoptr(at, I64.as_pointer()), align=8)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def tile_at(typing: Any, address: Any, like: Any) -> Any:
    """An address as a pointer to numbers of the format that ``like`` is computed in."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return args[0]

    return Pointer(like.format.dtype)(address, like), generate


STACK = 32768
"""Bytes of scratch that a kernel has without asking."""


@intrinsic
def stack(typing: Any) -> Any:
    """The address of ``STACK`` bytes."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        room = cgutils.alloca_once(builder, ir.ArrayType(ir.VectorType(ir.FloatType(), 16), STACK // 64))
        return builder.ptrtoint(room, I64)

    return types.int64(), generate


def prefetcher(write: int, locality: int) -> Any:
    """Asks for a cache line."""

    @intrinsic
    def prefetch(typing: Any, p: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            i32 = ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), i32, i32, i32])
            declared = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            hints = [ir.Constant(i32, v) for v in (write, locality, 1)]
            builder.call(declared, [_address(builder, p, *args, ir.IntType(8)), *hints])
            return context.get_dummy_value()

        return types.void(p, types.int64), generate

    return prefetch


will_read = prefetcher(0, 2)
will_write = prefetcher(1, 2)


def first_lanes(builder: Any, count: Any, lanes: int) -> Any:
    """A mask of the first ``count`` lanes, or all if there are no more."""
    full = builder.icmp_signed(">=", count, ir.Constant(I64, lanes))
    some = builder.sub(builder.shl(ir.Constant(I64, 1), count), ir.Constant(I64, 1))
    word = builder.trunc(builder.select(full, ir.Constant(I64, -1), some), ir.IntType(lanes))
    return builder.bitcast(word, ir.VectorType(ir.IntType(1), lanes))


def masked(module: Any, name: str, kind: Pointer) -> Any:
    """LLVM's masked load or store."""
    element = "i16" if kind.dtype in ("float16", "bfloat16") else MANGLED[kind.dtype]
    memory = ir.VectorType(ir.IntType(16), kind.vector.lanes) if element == "i16" else kind.stored
    mask = ir.VectorType(ir.IntType(1), kind.vector.lanes)
    i32 = ir.IntType(32)
    signature = {
        "load": ir.FunctionType(memory, [memory.as_pointer(), i32, mask, memory]),
        "store": ir.FunctionType(ir.VoidType(), [memory, memory.as_pointer(), i32, mask]),
    }[name]
    return memory, cgutils.get_or_insert_function(module, signature, f"llvm.masked.{name}.v{kind.vector.lanes}{element}.p0")


@intrinsic
def load_first(typing: Any, p: Any, index: Any, count: Any, other: Any) -> Any:
    """The first ``count`` lanes of the vector at an index, ``other`` in the rest."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        base, at, count, other = args
        vector = p.vector
        mask = first_lanes(builder, count, vector.lanes)
        memory, function = masked(builder.module, "load", p)
        address = _address(builder, p, base, at, memory)
        align = ir.Constant(ir.IntType(32), BYTES[p.dtype])
        value = builder.call(function, [address, align, mask, ir.Constant(memory, None)])
        value = widen(builder, p, builder.bitcast(value, p.stored), vector.ir)
        return builder.select(mask, value, spread(builder, other, sig.args[3], vector))

    return p.vector(p, types.int64, types.int64, other), generate


@intrinsic
def store_first(typing: Any, p: Any, index: Any, count: Any, value: Any) -> Any:
    """Write the first ``count`` lanes of a vector."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        base, at, count, value = args
        mask = first_lanes(builder, count, p.vector.lanes)
        memory, function = masked(builder.module, "store", p)
        value = builder.bitcast(narrow(builder, p, value, p.stored), memory)
        builder.call(function, [value, _address(builder, p, base, at, memory), ir.Constant(ir.IntType(32), BYTES[p.dtype]), mask])
        return context.get_dummy_value()

    return types.void(p, types.int64, types.int64, value), generate
