"""What Prometheus is told: requests, rows, scores, and how far they are from training's."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

from focaltab.calibration import estimate_prevalence
from focaltab.monitoring import Reference
from focaltab.monitoring._columns import Sizes, compare_numbers
from focaltab.monitoring._rows import log_odds

Floats = NDArray[np.float64]

# As many of the last scores are compared with those of training.
_LAST = 10_000
# Fewer rows would say more of chance than of the model.
_FEWEST = 100
_EDGES = np.arange(-12.0, 13.0)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096, 16384)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIGNIFICANCE = 0.05


class Watch:
    """The figures of one server, in a registry of their own.

    Parameters
    ----------
    columns : sequence of str
        Of the model: no other names become labels.
    info : dict of str to str
        Facts of the model.
    reference : Reference or None
        Of the rows that the model was saved with.
    prevalence : float or None
        Of the positive class in training.
    """

    def __init__(
        self,
        columns: Sequence[str],
        info: dict[str, str],
        reference: Reference | None,
        prevalence: float | None,
    ) -> None:
        self.registry = registry = CollectorRegistry()
        self._columns = list(columns)
        facts = Gauge("focaltab_model_info", "The model.", list(info), registry=registry)
        facts.labels(**info).set(1)
        self.requests = Counter(
            "focaltab_requests", "Requests.", ["endpoint", "status"], registry=registry
        )
        self.seconds = Histogram(
            "focaltab_request_seconds",
            "Seconds from a request to the end of its answer.",
            ["endpoint"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.batches = Histogram(
            "focaltab_batch_rows",
            "Rows in each call of the model.",
            buckets=_BATCH_SIZES,
            registry=registry,
        )
        self._rows = Counter("focaltab_rows", "Rows that were scored.", registry=registry)
        self._unseen = self._by_column("unseen_categories", "Names that training did not have.")
        self._missing = self._by_column("missing_values", "Values that were missing.")
        self.scores = Scores(reference, prevalence)
        registry.register(self.scores)

    def _by_column(self, name: str, told: str) -> list[Any]:
        counter = Counter(f"focaltab_{name}", told, ["column"], registry=self.registry)
        return [counter.labels(column) for column in self._columns]

    def rows(
        self,
        values: Sequence[tuple[Any, ...]],
        unseen: Sequence[tuple[int, int]],
        positive: Floats | None,
    ) -> None:
        """Count rows that were scored; `positive` are their probabilities, of two classes."""
        self._rows.inc(len(values))
        for place, own in enumerate(zip(*values, strict=True)):
            n_missing = own.count(None)
            if n_missing:
                self._missing[place].inc(n_missing)
        for _, place in unseen:
            self._unseen[place].inc()
        if positive is not None:
            self.scores.add(positive)


class Scores(Collector):
    """Scores since the start as a histogram, and the last ones beside training's."""

    def __init__(self, reference: Reference | None, prevalence: float | None) -> None:
        self._reference = reference
        self._prevalence = prevalence
        self._lock = threading.Lock()
        self._counts = np.zeros(_EDGES.size + 1, dtype=np.int64)
        self._last = np.empty(_LAST)
        self._n_seen = 0

    def add(self, positive: Floats) -> None:
        """Take in probabilities of the positive class."""
        places = np.searchsorted(_EDGES, log_odds(positive))
        counts = np.bincount(places, minlength=_EDGES.size + 1)
        latest = positive[-_LAST:]
        with self._lock:
            self._counts += counts
            newest = (self._n_seen + np.arange(latest.size)) % _LAST
            self._last[newest] = latest
            self._n_seen += latest.size

    def describe(self) -> Iterator[Metric]:
        """Nothing: names are found when figures are."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        with self._lock:
            counts = self._counts.copy()
            last = self._last[: min(self._n_seen, _LAST)].copy()
        upper = [*map(str, _EDGES.tolist()), "+Inf"]
        yield HistogramMetricFamily(
            "focaltab_score_log_odds",
            "Log-odds of the positive label.",
            buckets=list(zip(upper, np.cumsum(counts).astype(float).tolist(), strict=True)),
        )
        yield GaugeMetricFamily(
            "focaltab_drift_rows", "Scores that the figures of drift are of.", last.size
        )
        if last.size >= _FEWEST:
            yield from self._drift(last)

    def _drift(self, last: Floats) -> Iterator[Metric]:
        reference = self._reference
        if reference is not None and reference.score is not None:
            sizes = Sizes(reference.effective_rows, last.size, _SIGNIFICANCE)
            found = compare_numbers(reference.score, log_odds(last), None, 0.0, sizes).stability
            yield GaugeMetricFamily(
                "focaltab_drift_score_psi",
                "Population stability index of the last scores against the saved rows'.",
                found.psi,
            )
            yield GaugeMetricFamily(
                "focaltab_drift_score_psi_limit",
                "What chance alone exceeds in one of 20 looks.",
                found.limit,
            )
        if self._prevalence is not None:
            yield GaugeMetricFamily(
                "focaltab_drift_mean_score_ratio",
                "Mean of the last scores over the prevalence in training.",
                float(last.mean()) / self._prevalence,
            )
            yield GaugeMetricFamily(
                "focaltab_drift_prevalence_ratio",
                "Prevalence estimated from the last scores over the prevalence in training.",
                _estimated(last, self._prevalence) / self._prevalence,
            )


def _estimated(last: Floats, prevalence: float) -> float:
    """The estimate from scores in fine bins, which takes a fraction of the time."""
    f, counts = np.unique(np.round(log_odds(last), 2), return_counts=True)
    with warnings.catch_warnings():
        # Where it creeps its last steps change no figure that anybody would act on.
        warnings.simplefilter("ignore", ConvergenceWarning)
        share = estimate_prevalence(expit(f), prevalence, sample_weight=counts)
    # Scores of so many rows cannot tell less than half a row.
    return max(share, 0.5 / float(np.sum(counts)))
