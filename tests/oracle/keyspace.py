"""What the statistics over the keyspace must answer, computed another way, and draws from their nulls.

Prints one JSON array of objects: `query`, SQL with one column, and either `values`, what it must give row by
row, or `null`, the name of a null under which it gives p-values.
"""

import itertools
import json
from fractions import Fraction
from math import comb

import numpy
from scipy import stats

TRIALS = 2000


def rows(expression, names, types, arguments):
    """SQL for an expression over columns, once per tuple of arguments, in order."""
    cast = lambda value, kind: f"{value!r}" if kind == "list" else f"CAST({value!r} AS {kind})"
    values = ", ".join(
        f"({row}, {', '.join(cast(value, kind) for value, kind in zip(call, types))})"
        for row, call in enumerate(arguments)
    )
    return f"SELECT {expression} FROM (VALUES {values}) t(number, {', '.join(names)}) ORDER BY number"


def balance(sequence):
    return int(sum(numpy.sign(sequence[b] - sequence[a]) for a, b in itertools.combinations(range(len(sequence)), 2)))


def ties(sequence):
    return [int(count) for count in numpy.unique(sequence, return_counts=True)[1]]


def mann_kendall_query(sequences):
    arguments = [(balance(sequence), ties(sequence)) for sequence in sequences]
    values = ", ".join(
        f"({row}, {s}, make_array({', '.join(map(str, groups))}))" for row, (s, groups) in enumerate(arguments)
    )
    return f"SELECT mann_kendall(s, ties) FROM (VALUES {values}) t(number, s, ties) ORDER BY number"


def mann_kendall_without_ties():
    """SciPy's exact distribution."""
    chance = numpy.random.default_rng(1)
    sequences = [chance.permutation(size) for size in (2, 3, 7, 10, 23, 50) for _ in range(5)]
    # Nearly sorted ones have small chances.
    for size in (10, 23, 50):
        almost = numpy.arange(size)
        almost[[2, 5]] = almost[[5, 2]]
        sequences += [numpy.arange(size), numpy.arange(size)[::-1], almost]
    exact = lambda sequence: stats.kendalltau(range(len(sequence)), sequence, method="exact").pvalue
    return {"query": mann_kendall_query(sequences), "values": [float(exact(sequence)) for sequence in sequences]}


def mann_kendall_with_ties():
    """All orders of the same values, counted."""
    families = [(1, 1, 2, 2, 3, 3), (1, 1, 1, 1, 2, 3, 4), (1, 2, 2, 2, 2, 2, 2), (1, 1, 1, 2, 2, 2, 3, 3)]
    sequences, values = [], []
    for family in families:
        orders = set(itertools.permutations(family))
        counts = numpy.array([balance(order) for order in orders])
        for order in itertools.islice(sorted(orders), 0, None, 1 + len(orders) // 20):
            sequences.append(order)
            values.append(min(1.0, 2 * float(numpy.mean(counts >= abs(balance(order))))))
    return {"query": mann_kendall_query(sequences), "values": values}


def mann_kendall_of_many():
    """SciPy's normal approximation, which corrects for ties but not for continuity."""
    chance = numpy.random.default_rng(2)
    sequences = [chance.integers(0, kinds, size) for size in (51, 120, 400) for kinds in (3, 20, 4096)]
    values = []
    for sequence in sequences:
        s = abs(balance(sequence))
        z = stats.norm.isf(stats.kendalltau(range(len(sequence)), sequence, method="asymptotic").pvalue / 2)
        values.append(float(2 * stats.norm.sf(z * max(s - 1, 0) / s)))
    return {"query": mann_kendall_query(sequences), "values": values}


def occupancy_query(arguments):
    return rows(
        "occupancy(draws, cells, occupied)",
        ("draws", "cells", "occupied"),
        ("BIGINT", "DOUBLE", "BIGINT"),
        arguments,
    )


def two_sided(chances, occupied):
    return min(1.0, 2 * min(float(sum(chances[: occupied + 1])), float(sum(chances[occupied:]))))


def occupancy_of_whole_cells():
    """Inclusion and exclusion, in fractions."""
    arguments, values = [], []
    for draws, cells in ((8, 4), (32, 256), (100, 128), (300, 256)):
        chances = [
            comb(cells, d) * sum((-1) ** (d - j) * comb(d, j) * Fraction(j, cells) ** draws for j in range(d + 1))
            for d in range(min(draws, cells) + 1)
        ]
        for occupied in {1, *range(2, len(chances), max(1, len(chances) // 12)), len(chances) - 1}:
            arguments.append((draws, float(cells), occupied))
            values.append(two_sided(chances, occupied))
    return {"query": occupancy_query(arguments), "values": values}


def occupancy_of_parts_of_cells():
    """The chain of the number of occupied cells, as powers of its matrix."""
    arguments, values = [], []
    for draws, cells in ((8, 3.8235294117647056), (64, 60.24), (200, 241.05)):
        most = int(numpy.ceil(cells))
        step = numpy.zeros((most + 1, most + 1))
        for d in range(most + 1):
            stays = min(d / cells, 1.0)
            step[d, d] = stays
            if d < most:
                step[d, d + 1] = 1 - stays
        chances = numpy.linalg.matrix_power(step, draws)[0]
        for occupied in range(1, min(draws, int(cells)) + 1, max(1, most // 10)):
            arguments.append((draws, cells, occupied))
            values.append(two_sided(chances, occupied))
    return {"query": occupancy_query(arguments), "values": values}


def poisson(function, chance):
    arguments = list(itertools.product((0, 1, 2, 7, 30, 200), (0.001, 0.4, 3.0, 29.0, 180.0)))
    query = rows(f"{function}(k, mean)", ("k", "mean"), ("BIGINT", "DOUBLE"), arguments)
    return {"query": query, "values": [float(chance(k, mean)) for k, mean in arguments]}


def random_orders(kinds):
    chance = numpy.random.default_rng(3)
    sequences = [chance.integers(0, kinds, size) for size in chance.integers(10, 60, TRIALS)]
    return {"query": mann_kendall_query(sequences), "null": f"random orders of {kinds} values"}


def random_balls():
    chance = numpy.random.default_rng(4)
    arguments = []
    for draws in chance.integers(32, 250, TRIALS):
        occupied = len(numpy.unique(chance.integers(0, 256, draws)))
        arguments.append((int(draws), 256.0, occupied))
    return {"query": occupancy_query(arguments), "null": "balls at random into 256 cells"}


def random_counts():
    chance = numpy.random.default_rng(5)
    means = chance.uniform(0.1, 40, TRIALS)
    arguments = [(int(k), float(mean)) for k, mean in zip(chance.poisson(means), means)]
    expression = "least(1.0, 2 * least(poisson_at_least(k, mean), poisson_at_most(k, mean)))"
    return {"query": rows(expression, ("k", "mean"), ("BIGINT", "DOUBLE"), arguments), "null": "Poisson counts"}


if __name__ == "__main__":
    checks = [
        mann_kendall_without_ties(),
        mann_kendall_with_ties(),
        mann_kendall_of_many(),
        occupancy_of_whole_cells(),
        occupancy_of_parts_of_cells(),
        poisson("poisson_at_least", lambda k, mean: stats.poisson.sf(k - 1, mean)),
        poisson("poisson_at_most", stats.poisson.cdf),
        random_orders(6),
        random_orders(4096),
        random_balls(),
        random_counts(),
    ]
    print(json.dumps(checks))
