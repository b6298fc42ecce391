"""The shares of chance and of true shifts that are called drift: the agent's verdicts compared with Evidently's.

Both judge the same seeded pairs of samples, each by its own choice of a measure and the same thresholds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from benchmarks.measurement import Measurement, at_least, at_most
from benchmarks.rivals import VERDICTS, results
from monitor_agent.metrics.drift import (
    THRESHOLDS,
    CategoricalReference,
    DriftVerdict,
    Method,
    NumericReference,
    NumericSample,
    drift,
    measure_drift,
)
from monitor_agent.metrics.drift.verdict import P_VALUES
from monitor_agent.pipeline.drift_references import OTHER_CATEGORIES, categories
from monitor_agent.pipeline.window_drift import NEW_CATEGORIES

Values = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, float], Values]

REFERENCES, PAIRS = 50, 4
"""References of a case, and samples for each reference."""
LARGE, SMALL = 10_000, 1000
"""Values of a reference: above 1,000 distances are measured, up to 1,000 chances are computed."""
TOO_FEW, ENOUGH, MANY = 200, 1000, 5000
"""Values of a window; below 1,000 the agent gives no verdict."""
SHIFTS = (0.05, 0.1, 0.2, 0.5)
MOST_FALSE, MOST_FALSE_TESTED = 0.03, 0.1
LEAST_DETECTED = 0.99
MEASURES: Mapping[str, tuple[Method, ...]] = {
    "num": ("psi", "jensenshannon", "wasserstein", "ks"),
    "cat": ("psi", "jensenshannon", "chisquare"),
}
WORDS = {"num": "numeric", "cat": "categorical"}


@dataclass(frozen=True)
class Shape:
    """A distribution: its name, its kind (`num`, `cat`), and a function that draws n values of it, moved by a shift."""

    name: str
    kind: str
    draw: Draw


def of_categories(shares: Sequence[float]) -> Draw:
    """Return a function that draws numbers of categories; a shift moves that share from the first to the last."""

    def draw(dice: np.random.Generator, n: int, shift: float) -> Values:
        chances = np.array(shares) / np.sum(shares)
        chances[[0, -1]] += [-shift, shift]
        return dice.choice(len(chances), n, p=chances).astype(float)

    return draw


SHAPES = (
    Shape("normal", "num", lambda dice, n, shift: dice.normal(shift, 1, n)),
    Shape("lognormal", "num", lambda dice, n, shift: dice.lognormal(shift, 1, n)),
    Shape("uniform", "num", lambda dice, n, shift: dice.uniform(shift, 1 + shift, n)),
    Shape("mostly 0", "num", lambda dice, n, shift: np.where(dice.random(n) < 0.9, shift, dice.lognormal(0, 1, n))),
    Shape("counts", "num", lambda dice, n, shift: dice.poisson(3 + shift, n).astype(float)),
    Shape("3 categories", "cat", of_categories([0.6, 0.3, 0.1])),
    Shape("50 categories", "cat", of_categories([1 / rank for rank in range(1, 51)])),
    Shape("300 rare ones", "cat", of_categories([1.0] * 300)),
)
NORMAL, THREE = SHAPES[0], SHAPES[5]


@dataclass(frozen=True)
class Case:
    """Pairs of one shape: the numbers of values of window and reference, and the shift of the window."""

    shape: Shape
    n: int
    reference: int = LARGE
    shift: float = 0.0

    def samples(self) -> tuple[Values, Values]:
        """Return references, shape (REFERENCES, reference), and samples, shape (REFERENCES, PAIRS, n)."""
        dice = np.random.default_rng([SHAPES.index(self.shape), self.n, self.reference, round(1000 * self.shift)])
        references = self.shape.draw(dice, REFERENCES * self.reference, 0.0).reshape(REFERENCES, -1)
        current = self.shape.draw(dice, REFERENCES * PAIRS * self.n, self.shift)
        return references, current.reshape(REFERENCES, PAIRS, -1)


CHANCE = [Case(shape, n) for n, shape in product((TOO_FEW, ENOUGH, MANY), SHAPES)]
TESTED = [Case(shape, ENOUGH, SMALL) for shape in SHAPES]
SHIFTED = [Case(shape, ENOUGH, shift=shift) for shape, shift in product((NORMAL, THREE), SHIFTS)]
CASES = [*CHANCE, *TESTED, *SHIFTED]


@dataclass(frozen=True)
class Rates:
    """Shares of a case's pairs that are called drift: by the agent, and by each measure without protection."""

    agent: float
    measures: Mapping[Method, float]


def run() -> Iterator[Measurement]:
    """Yield the shares of pairs without and with a shift that are called drift."""
    samples = {case: case.samples() for case in CASES}
    agent = {case: rates(case, *samples[case]) for case in CASES}
    table = {
        f"{number}.{case.shape.kind}.{which}": values
        for number, case in enumerate(CASES)
        for which, values in zip(("reference", "current"), samples[case], strict=True)
    }
    evidently: dict[Case, float] = {}
    for result in results([VERDICTS], table):
        evidently = {case: result.output["shares"][str(number)] for number, case in enumerate(CASES)}
    for kind, n in product(WORDS, (TOO_FEW, ENOUGH, MANY)):
        cases = [case for case in CHANCE if case.n == n and case.shape.kind == kind]
        subject = f"no drift, {WORDS[kind]}, {n:,} values against {LARGE:,}"
        yield at_most(
            f"{subject}: called drift, worst shape", worst(agent, cases), "", MOST_FALSE if n > TOO_FEW else 0
        )
        yield from highest(f"{subject}: by Evidently", evidently, cases)
        for method in MEASURES[kind]:
            share = max(agent[case].measures[method] for case in cases)
            yield Measurement(f"{subject}: {method} beyond {THRESHOLDS[method]}, unprotected", share, "")
    for kind in WORDS:
        cases = [case for case in TESTED if case.shape.kind == kind]
        subject = f"no drift, {WORDS[kind]}, {ENOUGH:,} values against {SMALL:,}"
        yield at_most(f"{subject}: called drift, worst shape", worst(agent, cases), "", MOST_FALSE_TESTED)
        yield from highest(f"{subject}: by Evidently", evidently, cases)
    for case in SHIFTED:
        subject = f"{case.shape.name} shifted by {case.shift}, {case.n:,} values: detected"
        if case.shift == SHIFTS[-1]:
            yield at_least(subject, agent[case].agent, "", LEAST_DETECTED)
        else:
            yield Measurement(subject, agent[case].agent, "")
        yield from highest(f"{subject} by Evidently", evidently, [case])


def rates(case: Case, references: Values, samples: Values) -> Rates:
    """Return the shares of a case's pairs that are called drift."""
    drifts, beyond = 0, Counter[Method]()
    for values, group in zip(references, samples, strict=True):
        reference = reference_of(case, values)
        for current in group:
            sample = sample_of(reference, current)
            result = drift(reference, sample)
            drifts += isinstance(result, DriftVerdict) and result.is_drift
            for method in MEASURES[case.shape.kind]:
                value, limit = measure_drift(reference, sample, method), THRESHOLDS[method]
                beyond[method] += value < limit if method in P_VALUES else value >= limit
    pairs = REFERENCES * PAIRS
    return Rates(drifts / pairs, {method: beyond[method] / pairs for method in MEASURES[case.shape.kind]})


def reference_of(case: Case, values: Values) -> NumericReference | CategoricalReference:
    """Return the agent's reference for values; for ids, which have none, an empty one."""
    if case.shape.kind == "num":
        return NumericReference.from_values(values)
    reference = categories(counted(values))
    return reference or CategoricalReference({OTHER_CATEGORIES: len(values)})


def sample_of(reference: NumericReference | CategoricalReference, values: Values) -> NumericSample | Mapping[str, int]:
    """Return a window's values as the agent counts them in a reference's bins."""
    if isinstance(reference, NumericReference):
        return NumericSample.from_values(values, reference)
    rest = OTHER_CATEGORIES if OTHER_CATEGORIES in reference.counts else NEW_CATEGORIES
    counts: Counter[str] = Counter()
    for name, count in counted(values).items():
        counts[name if name in reference.counts else rest] += count
    return counts


def counted(values: Values) -> dict[str, int]:
    """Return the count of each category among values."""
    counts = np.bincount(values.astype(np.int64))
    return {str(number): int(counts[number]) for number in np.flatnonzero(counts)}


def worst(shares: Mapping[Case, Rates], cases: Sequence[Case]) -> float:
    """Return the highest share of the agent's verdicts."""
    return max(shares[case].agent for case in cases)


def highest(subject: str, shares: Mapping[Case, float], cases: Sequence[Case]) -> Iterator[Measurement]:
    """Yield the highest of Evidently's shares, if it could be installed."""
    if shares:
        yield Measurement(subject, max(shares[case] for case in cases), "")
