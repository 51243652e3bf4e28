"""What the statistics in queries/functions must answer, computed by SciPy another way.

Prints one JSON array of objects: `query`, SQL with one column and one row for each of `values`.
"""

import itertools
import json

import numpy
from scipy import optimize, special, stats


def rows(function, arguments):
    """SQL that calls a scalar function once per tuple of arguments, in order."""
    names = [f"x{index}" for index in range(len(arguments[0]))]
    values = ", ".join(f"({row}, {', '.join(map(literal, call))})" for row, call in enumerate(arguments))
    return f"SELECT {function}({', '.join(names)}) FROM (VALUES {values}) t(number, {', '.join(names)}) ORDER BY number"


def literal(value):
    if isinstance(value, list):
        return f"make_array({', '.join(map(literal, value))})"
    return repr(value)


def spacing_test(gaps, cv):
    # The volume of a ball of dimension m − 1, over that of the simplex √m/(m−1)!.
    dimension = gaps - 1
    ball = numpy.pi ** (dimension / 2) / special.gamma(dimension / 2 + 1) * (cv / numpy.sqrt(gaps)) ** dimension
    return min(1.0, ball * special.factorial(dimension) / numpy.sqrt(gaps))


def ln_i0(x):
    return numpy.log(special.ive(0, x)) + x


def rayleigh_test(n, resultant):
    bound = lambda ln_kappa: n * ln_i0(numpy.exp(ln_kappa)) - ln_i0(numpy.exp(ln_kappa) * resultant)
    grid = numpy.linspace(-8, 12, 4001)
    best = grid[numpy.argmin([bound(x) for x in grid])]
    found = optimize.minimize_scalar(
        bound, bounds=(best - 0.01, best + 0.01), method="bounded", options={"xatol": 1e-10}
    )
    return min(1.0, float(numpy.exp(found.fun)))


def single_pass_test(slots, unseen, repeated):
    repeats = lambda v: stats.binom.cdf(repeated, slots, v * v)
    misses = lambda v: stats.binom.cdf(unseen, slots, (1 - v) ** 2)
    return min(1.0, 2 * repeats(optimize.brentq(lambda v: repeats(v) - misses(v), 1e-6, 1 - 1e-6, xtol=1e-15)))


def scan_test(most, n, share):
    excess = most / share - n - 1
    if excess <= 0:
        return 1.0
    return min(1.0, excess * stats.binom.pmf(most, n, share) + 2 * stats.binom.sf(most - 1, n, share))


def rarefaction_test(networks, operators, sizes, counts):
    population = numpy.dot(sizes, counts)
    among = 1 - stats.hypergeom.pmf(0, population, sizes, operators)
    if numpy.dot(counts, among) >= networks:
        return 1.0
    exponent = lambda t: numpy.dot(counts, numpy.log1p(among * numpy.expm1(t))) - t * networks
    found = optimize.minimize_scalar(exponent, bounds=(0, 50), method="bounded", options={"xatol": 1e-11})
    return float(numpy.exp(found.fun))


def benjamini_hochberg():
    """Families of several sizes, with ties, in no order."""
    chance = numpy.random.default_rng(1)
    families = [numpy.round(chance.random(size) ** 4, 3) for size in (1, 2, 30, 500)]
    values = [(row, family, p) for row, (family, p) in enumerate(
        (family, p) for family, members in enumerate(families) for p in members
    )]
    listed = ", ".join(f"({row}, {family}, {float(p)!r})" for row, family, p in values)
    query = (
        "SELECT benjamini_hochberg(p) OVER (PARTITION BY family) "
        f"FROM (VALUES {listed}) t(number, family, p) ORDER BY number"
    )
    q_values = numpy.concatenate([stats.false_discovery_control(family, method="bh") for family in families])
    return {"query": query, "values": q_values.tolist()}


SCALARS = {
    spacing_test: [(gaps, cv) for gaps in (2, 3, 4, 9, 30) for cv in (0.001, 0.02, 0.1, 0.4, 1.5)],
    rayleigh_test: [
        (n, n * length) for n in (6, 11, 50, 400) for length in (0.05, 0.3, 0.6, 0.9, 0.99)
    ],
    single_pass_test: [
        (slots, int(slots * unseen), int(slots * repeated))
        for slots in (10, 60, 140)
        for unseen, repeated in ((0, 0), (0.1, 0), (0.15, 0.05), (0.5, 0.2))
    ],
    scan_test: [
        (most, n, share)
        for n, share in ((10, 0.1), (49, 0.04166666666666667), (1000, 0.002))
        for most in (2, 3, 5, 8, 10)
    ],
    rarefaction_test: [
        (networks, operators, [1, 3, 40, 700], [30, 12, 4, 1])
        for operators in (5, 20, 100)
        for networks in (2, 5)
    ] + [(18, 40, [1, 3, 40, 700], [30, 12, 4, 1])],
}


def binomial_at_most():
    arguments = list(itertools.product((0, 1, 7, 30), (30, 200), (0.0, 0.001, 0.05, 0.6, 1.0)))
    values = [float(stats.binom.cdf(*call)) for call in arguments]
    return {"query": rows("binomial_at_most", arguments), "values": values}


if __name__ == "__main__":
    checks = [
        {
            "query": rows(function.__name__, arguments),
            "values": [float(function(*call)) for call in arguments],
        }
        for function, arguments in SCALARS.items()
    ]
    print(json.dumps([*checks, binomial_at_most(), benjamini_hochberg()]))
