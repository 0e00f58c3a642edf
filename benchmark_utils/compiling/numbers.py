"""Numbers and vectors of them in LLVM's code, with Python's operators."""
from llvmlite import ir

DOUBLE, INTEGER, BOOLEAN = ir.DoubleType(), ir.IntType(64), ir.IntType(1)
KINDS = {"f": DOUBLE, "i": INTEGER, "u": INTEGER, "b": BOOLEAN}
_LANE = ir.IntType(32)
_FUSED = {"flags": ("contract",)}


def of_width(element, width):
    return ir.VectorType(element, width) if width > 1 else element


def _operator(of_doubles, of_integers, flags=None):
    def apply(self, other):
        a, b = together(self, self.of(other))
        if a.element == DOUBLE:
            return Number(a.builder, getattr(a.builder, of_doubles)(
                a.value, b.value, **flags or {}))
        return Number(a.builder, getattr(a.builder, of_integers)(
            a.value, b.value))

    return apply


def _comparison(sign):
    return lambda self, other: self.compare(sign, other)


class Number:
    """A number, or a vector of them: int64, float64 or boolean."""

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    @property
    def width(self):
        return getattr(self.value.type, "count", 1)

    @property
    def element(self):
        return getattr(self.value.type, "element", self.value.type)

    def of(self, number):
        """A constant of this type."""
        if isinstance(number, Number):
            return number
        convert = {DOUBLE: float, BOOLEAN: bool}.get(self.element, int)
        constant = ir.Constant(self.element, convert(number))
        if self.width > 1:
            constant = ir.Constant(self.value.type, [constant] * self.width)
        return Number(self.builder, constant)

    def wide(self, width):
        """The same number in each lane."""
        if self.width == width:
            return self
        nothing = ir.Constant(ir.VectorType(self.element, width),
                              ir.Undefined)
        first = self.builder.insert_element(
            nothing, self.value, ir.Constant(_LANE, 0))
        return Number(self.builder, first).lanes([0] * width)

    def lanes(self, chosen):
        """Some lanes, as a shorter vector or as a number."""
        if len(chosen) > 1:
            return Number(self.builder, self.builder.shuffle_vector(
                self.value, self.value, ir.Constant(
                    ir.VectorType(_LANE, len(chosen)), list(chosen))))
        if self.width == 1:
            return self
        return Number(self.builder, self.builder.extract_element(
            self.value, ir.Constant(_LANE, chosen[0])))

    def reduced(self, combine):
        """All lanes combined, by halves."""
        if self.width == 1:
            return self
        half = self.width // 2
        total = combine(self.lanes(range(half)),
                        self.lanes(range(half, 2 * half))).reduced(combine)
        if self.width % 2:
            total = combine(total, self.lanes([self.width - 1]))
        return total

    __add__ = __radd__ = _operator("fadd", "add", _FUSED)
    __sub__ = _operator("fsub", "sub", _FUSED)
    __mul__ = __rmul__ = _operator("fmul", "mul", _FUSED)
    __truediv__ = _operator("fdiv", "sdiv")
    __mod__ = _operator("frem", "srem")
    __and__ = _operator(None, "and_")
    __or__ = _operator(None, "or_")
    __xor__ = _operator(None, "xor")
    __lshift__ = _operator(None, "shl")
    __rshift__ = _operator(None, "ashr")
    __gt__, __lt__ = _comparison(">"), _comparison("<")
    __ge__, __le__ = _comparison(">="), _comparison("<=")

    def __rsub__(self, other):
        return self.of(other) - self

    def __rtruediv__(self, other):
        return self.of(other) / self

    def __neg__(self):
        return self.of(-0.0 if self.element == DOUBLE else 0) - self

    def __invert__(self):
        return self ^ -1

    def compare(self, sign, other):
        """Lane by lane; NaN is unequal to all, and not ordered."""
        a, b = together(self, self.of(other))
        if a.element == DOUBLE:
            method = (a.builder.fcmp_unordered if sign == "!="
                      else a.builder.fcmp_ordered)
        else:
            method = (a.builder.icmp_unsigned if a.element == BOOLEAN
                      else a.builder.icmp_signed)
        return Number(a.builder, method(sign, a.value, b.value))

    def bits(self, element):
        """The same bits as another type of 8 bytes."""
        return Number(self.builder, self.builder.bitcast(
            self.value, of_width(element, self.width)))

    def converted(self, kind):
        """As a number of another kind: "f", "i" or "b"."""
        element = KINDS[kind]
        if element == self.element:
            return self
        if element == BOOLEAN:
            return self.compare("!=", 0)
        method = {(BOOLEAN, DOUBLE): "uitofp", (INTEGER, DOUBLE): "sitofp",
                  (BOOLEAN, INTEGER): "zext", (DOUBLE, INTEGER): "fptosi"}[
                      self.element, element]
        return Number(self.builder, getattr(self.builder, method)(
            self.value, of_width(element, self.width)))


def together(*numbers):
    """Numbers as vectors of one width."""
    width = max(number.width for number in numbers)
    return [number.wide(width) for number in numbers]


def joined(numbers):
    """Single numbers as the lanes of one vector."""
    first, *others = numbers
    vector = first.wide(len(numbers))
    for k, number in enumerate(others, 1):
        vector = Number(first.builder, first.builder.insert_element(
            vector.value, number.value, ir.Constant(_LANE, k)))
    return vector


def where(condition, a, b):
    """Lane by lane, a where the condition holds, and b elsewhere."""
    condition, a, b = together(condition, a, a.of(b))
    return Number(a.builder, a.builder.select(
        condition.value, a.value, b.value))


def maximum(a, b):
    """The larger one; NaN where one is."""
    return where((a > b) | a.compare("!=", a), a, b)


def minimum(a, b):
    """The smaller one; NaN where one is."""
    return where((a < b) | a.compare("!=", a), a, b)
