"""Elementary functions of numbers in LLVM's code, and of vectors of them.

They are straight-line arithmetic, which has no calls: LLVM's own functions
become calls of C's library, lane by lane. What uses them must not have
"reassoc", which would cancel the rounding tricks.
"""
import math

from llvmlite import ir
from numba.core import cgutils

from benchmark_utils.compiling.numbers import (
    DOUBLE,
    INTEGER,
    Number,
    joined,
    together,
    where,
)

# log 2 in two parts, after Cody and Waite: products of the first one with
# exponents are exact.
_LOG_2 = 6.93147180369123816490e-01
_REST_OF_LOG_2 = 1.90821492927058770002e-10


def _power_of_two(n):
    return ((n + 1023) << 52).bits(DOUBLE)


def _reduced_argument(x):
    """k and r with x = k log 2 + r and abs(r) <= log(2) / 2."""
    # Adding 1.5 * 2^52 rounds to the nearest integer and leaves that integer
    # in the low bits of the sum.
    rounding = 6755399441055744.0
    shifted = x * 1.4426950408889634 + rounding
    k = shifted - rounding
    r = k * -_REST_OF_LOG_2 + (k * -_LOG_2 + x)
    return shifted.bits(INTEGER) - 4843621399236968448, r


def _taylor(r, last):
    """sum r^(k - last) / k! from ``last`` to 13."""
    p = r.of(1 / math.factorial(13))
    for degree in range(12, last - 1, -1):
        p = p * r + 1 / math.factorial(degree)
    return p


def exp(x):
    """e^x within 1 ulp, subnormal results and overflow to inf included.

    Range reduction x = k log 2 + r, the Taylor polynomial in r, and k written
    into the exponent bits, in two halves so that neither overflows.
    """
    x = where(x < -746.0, x.of(-746.0), x)
    x = where(x > 710.0, x.of(710.0), x)
    n, r = _reduced_argument(x)
    half = n >> 1
    return _taylor(r, 0) * _power_of_two(half) * _power_of_two(n - half)


def tanh(u):
    """tanh u within 3 ulp, near 0 too.

    tanh(u) = t / (t + 2) with t = e^{2u} - 1 for u >= 0, where nothing
    cancels. As in ``exp``, 2u = k log 2 + r, but the polynomial is that of
    e^r - 1, so that t = 2^k (e^r - 1) + (2^k - 1). From 20 on tanh rounds to
    1.
    """
    y = where(u < 0.0, -u, u)
    y = where(y > 20.0, y.of(40.0), y + y)
    n, r = _reduced_argument(y)
    power = _power_of_two(n)
    t = power * (_taylor(r, 2) * (r * r) + r) + (power - 1.0)
    h = t / (t + 2.0)
    return where(u < 0.0, -h, h)


def log1p(x):
    """log(1 + x) within 2 ulp, after FDLIBM's method.

    1 + x = 2^k (1 + f) with 1 + f near 1, log(1 + f) by a polynomial in
    f / (2 + f), and what 1 + x has lost in rounding is added to it.
    """
    u = x + 1.0
    # Relative to 1 + x.
    lost = where(u.compare("==", math.inf), x.of(0.0), where(
        u >= 2.0, 1.0 - (u - x), x - (u - 1.0)) / u)
    return _log(u, lost=lost)


def log(x):
    """log x, as ``log1p``, subnormal numbers too."""
    tiny = x < 2.2250738585072014e-308
    return _log(where(tiny, x * 2.0**54, x),
                exponent=where(tiny, x.of(-54.0), 0.0))


def _log(u, exponent=0.0, lost=0.0):
    # Such that 1 + f is in [sqrt(1/2), sqrt(2)).
    bits = u.bits(INTEGER) + (0x3ff0000000000000 - 0x3fe6a09e667f3bcd)
    k = ((bits >> 52) - 1023).converted("f") + exponent
    fraction = (bits & 0xfffffffffffff) + 0x3fe6a09e667f3bcd
    f = fraction.bits(DOUBLE) - 1.0
    s = f / (f + 2.0)
    z = s * s
    p = z.of(1.479819860511658591e-01)
    for c in (1.531383769920937332e-01, 1.818357216161805012e-01,
              2.222219843214978396e-01, 2.857142874366239149e-01,
              3.999999999940941908e-01, 6.666666666666735130e-01):
        p = p * z + c
    half = 0.5 * f * f
    low = k * _REST_OF_LOG_2 + lost
    result = k * _LOG_2 - ((half - (s * (half + p * z) + low)) - f)
    result = where(u.compare("==", math.inf), u, result)
    result = where(u.compare("==", 0.0), u.of(-math.inf), result)
    # NaN, and what is less than 0.
    return where(u >= 0.0, result, u.of(math.nan))


def call(name, *numbers):
    """A function of C's library, lane by lane."""
    numbers = together(*numbers)
    builder = numbers[0].builder
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(DOUBLE, [DOUBLE] * len(numbers)),
        name)
    return joined([
        Number(builder, builder.call(function, [
            number.lanes([k]).value for number in numbers]))
        for k in range(numbers[0].width)])
