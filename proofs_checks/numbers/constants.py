"""Constants that decide a verdict, enclosed by interval arithmetic: a comparison is a proof and not a rounding.

All functions return intervals of one private mpmath context (120 bits, outward rounding): every real number that the
formula can mean lies inside. `certainly_less(a, b)` is True only if the whole of a lies below the whole of b. Ties
are another matter: two enclosures that overlap prove nothing, so equality is decided exactly in `exact.py` and handed
over as a `LogSum`.
"""

from __future__ import annotations

from fractions import Fraction

from mpmath.ctx_iv import MPIntervalContext

from proofs_checks.numbers.exact import LogSum

BITS = 120
# a context of its own: mpmath.iv is global, and anybody may change its precision
_iv = MPIntervalContext()
_iv.prec = BITS

Interval = type(_iv.mpf(1))
Number = int | Fraction | LogSum | Interval


def enclose(value: Number) -> Interval:
    """The interval of an integer, a fraction or an exact sum of logarithms; a float, already rounded, is refused."""
    if isinstance(value, float):
        raise TypeError(f"refusing the float {value!r}: give an int, a Fraction or a LogSum")
    if isinstance(value, LogSum):
        total = _iv.mpf(0)
        for prime, coefficient in value.coefficients:
            total += enclose(coefficient) * _iv.log(_iv.mpf(prime))
        return total
    if isinstance(value, Fraction):
        return _iv.mpf(value.numerator) / _iv.mpf(value.denominator)
    return _iv.mpf(value)


def certainly_less(a: Number, b: Number) -> bool:
    """Whether every number in a is below every number in b: True is a proof, False means only 'not proven'."""
    a, b = enclose(a), enclose(b)
    return bool(_iv.mpf(a.b) < _iv.mpf(b.a))


def contains(interval: Interval, value: Fraction | int) -> bool:
    """Whether the rational value is certainly inside."""
    inner = enclose(value)
    return bool(interval.a <= inner.a) and bool(inner.b <= interval.b)


def width(interval: Interval) -> float:
    """An upper bound of the length of the interval."""
    return float(interval.delta.b)


def middle(interval: Interval) -> float:
    """A float from the interval, to compare computed values with; it must be thinner than 1e-15 of its size."""
    value = float(_iv.mpf(interval.mid).a)
    if width(interval) > 1e-15 * max(abs(value), 1e-300):
        raise ValueError(f"an interval of width {width(interval)} does not determine a float")
    return value


def log(value: Number) -> Interval:
    """Natural logarithm of a positive number."""
    return _iv.log(enclose(value))


def exp(value: Number) -> Interval:
    """Exponential function."""
    return _iv.exp(enclose(value))


def power(base: Number, exponent: Number) -> Interval:
    """A power of a positive base, through logarithm and exponential."""
    return _iv.exp(enclose(exponent) * log(base))


# ---------------------------------------------------------------------------------------------------------------------
# K = 2: claims C2 and C3


def two_over_e() -> Interval:
    """The agreement at which K = 2, lambda = 0 is best: 2/e = 0.7357..."""
    return 2 / _iv.exp(_iv.mpf(1))


def threshold() -> Interval:
    """The least invariance weight at which K = 2 prefers agreeing views: 1 - log 2 = 0.3068..."""
    return 1 - log(2)


def perfect_loss(units: int) -> Interval:
    """The loss of an orthogonal array: -3 log K."""
    return -3 * log(units)


def least_loss_two_units() -> Interval:
    """The minimum at K = 2, lambda = 0, which is below -3 log 2: -2/e - 2 log 2 = -2.1220..."""
    return -two_over_e() - 2 * log(2)


def best_peak() -> Interval:
    """The peak of the soft minimiser of C2: a = (1 + sqrt(4/e - 1)) / 2 = 0.8433..."""
    return (1 + _iv.sqrt(2 * two_over_e() - 1)) / 2


def best_logit_gap() -> Interval:
    """The logit gap, in temperatures, at which that minimiser is reached: log(a / (1 - a)) = 1.6832..."""
    return _iv.log(best_peak() / (1 - best_peak()))


def agreement_slope(agreement: Number, weight: Number) -> Interval:
    """The slope of f(tau) = tau log(tau/2) - lambda log tau, times tau: tau (1 + log(tau/2)) - lambda.

    It increases for tau > 2/e^2.
    """
    tau = enclose(agreement)
    return tau * (1 + _iv.log(tau / 2)) - enclose(weight)


def best_agreement(weight: Fraction, halvings: int = 100) -> Interval:
    """The best agreement tau* at K = 2, which solves tau* (1 + log(tau*/2)) = lambda, for 0 <= lambda < 1 - log 2.

    Bisection in which every step is a proven sign. No Lambert function is evaluated: the slope increases on (2/e^2, 1],
    so a proven change of sign encloses its only root.
    """
    low, high = Fraction(28, 100), Fraction(1)
    if not (weight >= 0 and certainly_less(weight, threshold())):
        raise ValueError(f"the weight must lie in [0, 1 - log 2), got {weight}")
    if not (certainly_less(2 / _iv.exp(_iv.mpf(2)), low) and certainly_less(agreement_slope(low, weight), 0)):
        raise ArithmeticError("the left end does not bracket the root")
    for _ in range(halvings):
        centre = (low + high) / 2
        slope = agreement_slope(centre, weight)
        if certainly_less(slope, 0):
            low = centre
        elif certainly_less(0, slope):
            high = centre
        else:
            # the sign is below the working precision; the bracket stands as it is
            break
    return _iv.mpf([enclose(low).a, enclose(high).b])


def least_loss_two_units_at(weight: Fraction) -> Interval:
    """The minimum at K = 2 (C3): tau* log(tau*/2) - lambda log tau* - 2 log 2, or -3 log 2 from the threshold on.

    The value is flat at tau*, so the bracket of tau* is narrow enough for 20 digits of the value.
    """
    if certainly_less(threshold(), weight):
        return perfect_loss(2)
    tau = best_agreement(weight)
    return tau * _iv.log(tau / 2) - enclose(weight) * _iv.log(tau) - 2 * log(2)


# ---------------------------------------------------------------------------------------------------------------------
# Small batches: claim C11


def uniform_loss(units: int, weight: Number = 0) -> Interval:
    """The loss of the uniform collapse: -(2 + 2/K) log K + lambda log K."""
    return (enclose(weight) - 2 - enclose(Fraction(2, units))) * log(units)


def hard_floor(samples: int, units: int) -> Interval:
    """The floor of hard codes of N samples, for K >= 3 (C9): -log K - log min(N, K^2)."""
    return -log(units) - log(min(samples, units**2))


def uniform_wins_below(units: int) -> Interval:
    """The N below which the uniform collapse beats every hard code at lambda = 0 (C11): K^(1 + 2/K)."""
    return power(units, Fraction(units + 2, units))


def uniform_wins_below_with_unit_weight(units: int) -> Interval:
    """The same at lambda = 1, when the number is below K (C11): K^(1/2 + 1/K)."""
    return power(units, Fraction(units + 2, 2 * units))
