"""What decides the numbers of a model: the settings that tables of models hold, and the rules for them (pure)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from monitor_agent.durations import format_duration
from monitor_agent.errors import SettingsError
from monitor_agent.settings.holidays import holiday_dates
from monitor_agent.settings.setting_info import setting
from monitor_agent.vocabulary.prediction_kinds import PREDICTION_KINDS

WITHOUT_COMPARED_NUMBERS = frozenset(
    {
        *("base_window", "larger_windows", "curve_windows", "drift_samples", "segments"),
        *("ingest_grace", "restatement_limit", "orphan_horizon"),
        *("gate_positives", "gate_coverage", "gate_maturity"),
        *("slo_availability", "slo_latency", "slo_latency_share", "slo_window", "holidays"),
    }
)
"""Settings that leave the metrics of a window as they are: they decide which windows and segments there are, when a
window is final, and what is needed for an alert."""
DEFAULT_LARGER_WINDOWS = (timedelta(hours=1), timedelta(days=1))


@dataclass(frozen=True)
class ModelSettings:
    """What decides the numbers of a model; the cluster holds them (`model-settings`), one table for each model."""

    attribution_window: timedelta = setting(
        timedelta(minutes=30),
        "MONITOR_ATTRIBUTION_WINDOW",
        "a positive counts if it comes within this time after its prediction",
    )
    ingest_grace: timedelta = setting(
        timedelta(minutes=2), "MONITOR_INGEST_GRACE", "further wait for the pipeline before a window is final"
    )
    base_window: timedelta = setting(
        timedelta(minutes=1), "MONITOR_BASE_WINDOW", "smallest window, counted from events"
    )
    larger_windows: tuple[timedelta, ...] = setting(
        DEFAULT_LARGER_WINDOWS,
        "MONITOR_LARGER_WINDOWS",
        "windows that are merged from smaller windows; of the default ones, those that do not fit the base window are "
        "left out",
    )
    curve_windows: tuple[timedelta, ...] = setting(
        DEFAULT_LARGER_WINDOWS,
        "MONITOR_CURVE_WINDOWS",
        "windows that get curves (reliability, thresholds, distributions) after their end; of the default ones, those "
        "that are not computed are left out",
    )
    drift_samples: int = setting(
        1000, "MONITOR_DRIFT_SAMPLES", "smallest number of values for a verdict on drift: with fewer it may be chance"
    )
    time_zone: str = setting("UTC", "MONITOR_TIME_ZONE", "time zone in which windows of a day begin")
    holidays: tuple[str, ...] = setting(
        (),
        "MONITOR_HOLIDAYS",
        "days that are no measure for other days, by the model's clock, such as `2026-12-24/2026-12-26`",
    )
    feedback_type: str = setting(
        "click",
        "MONITOR_FEEDBACK_TYPE",
        "feedback that makes a prediction positive",
        choices=("click", "purchase", "label"),
    )
    impressions: str = setting(
        "implied",
        "MONITOR_IMPRESSIONS",
        "`implied`: all predictions were shown; `explicit`: an impression event says which were shown",
        choices=("implied", "explicit"),
    )
    absent_feedback: str = setting(
        "negative",
        "MONITOR_ABSENT_FEEDBACK",
        "label of a shown prediction without feedback after the attribution window",
        choices=("negative", "unknown"),
    )
    segments: tuple[str, ...] = setting(
        ("scene",),
        "MONITOR_SEGMENTS",
        "labels by which metrics are split; after a change run `monitor-agent setup`",
    )
    segment_values: int = setting(
        20, "MONITOR_SEGMENT_VALUES", "highest number of values of a label; further values become `other`"
    )
    restatement_limit: timedelta = setting(
        timedelta(days=7), "MONITOR_RESTATEMENT_LIMIT", "a window that has been final for longer is not restated"
    )
    orphan_horizon: timedelta = setting(
        timedelta(hours=24), "MONITOR_ORPHAN_HORIZON", "how long feedback waits for its prediction"
    )
    gate_positives: int = setting(30, "MONITOR_GATE_POSITIVES", "positives that a window needs for alerts")
    gate_coverage: float = setting(
        0.9, "MONITOR_GATE_COVERAGE", "coverage that a window needs for alerts", unit="share"
    )
    gate_maturity: float = setting(
        0.95, "MONITOR_GATE_MATURITY", "maturity that a window needs for alerts", unit="share"
    )
    kind: str = setting(
        "",
        "MONITOR_KIND",
        "what the model predicts; empty = what its predictions say",
        choices=("", *PREDICTION_KINDS),
    )
    positive_label: str = setting(
        "", "MONITOR_POSITIVE_LABEL", "the class or label that counts as positive; empty = label 1"
    )
    threshold: float | None = setting(
        None,
        "MONITOR_THRESHOLD",
        "scores from this one on are decided as positive, if an imported prediction has no decision; empty = 0.5",
    )

    slo_availability: float | None = setting(
        None,
        "MONITOR_SLO_AVAILABILITY",
        "share of requests that should be answered without an error; empty = no objective",
    )
    slo_latency: timedelta | None = setting(
        None, "MONITOR_SLO_LATENCY", "answered requests should take no longer, such as `250ms`; empty = no objective"
    )
    slo_latency_share: float = setting(
        0.99, "MONITOR_SLO_LATENCY_SHARE", "share of answered requests that `slo_latency` is for", unit="share"
    )
    slo_window: timedelta = setting(timedelta(days=28), "MONITOR_SLO_WINDOW", "time that an error budget is for")

    def __post_init__(self) -> None:
        """Leave out default windows that do not fit; refuse others, shares that are none, and unknown time zones."""
        self._check_windows()
        for variable, share in (
            ("MONITOR_GATE_COVERAGE", self.gate_coverage),
            ("MONITOR_GATE_MATURITY", self.gate_maturity),
        ):
            if not 0 <= share <= 1:
                raise SettingsError(f"{variable}={share} is no share", "give a number from 0 to 1")
        self._check_objectives()
        holiday_dates(self.holidays)
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise SettingsError(
                f"MONITOR_TIME_ZONE={self.time_zone} is unknown", "use a name such as Europe/Berlin"
            ) from error

    @property
    def meaning(self) -> tuple[Any, ...]:
        """What decides the metrics that are compared with those of the week before."""
        return tuple(
            getattr(self, entry.name) for entry in fields(ModelSettings) if entry.name not in WITHOUT_COMPARED_NUMBERS
        )

    def _check_objectives(self) -> None:
        for variable, objective in (
            ("MONITOR_SLO_AVAILABILITY", self.slo_availability),
            ("MONITOR_SLO_LATENCY_SHARE", self.slo_latency_share),
        ):
            if objective is not None and not 0 < objective < 1:
                raise SettingsError(f"{variable}={objective} leaves no error budget", "give a share such as 0.999")
        if self.slo_window < timedelta(days=3):
            raise SettingsError(
                f"MONITOR_SLO_WINDOW={format_duration(self.slo_window)} is shorter than the burn rates need",
                "give 3d or more",
            )

    def _check_windows(self) -> None:
        if self.base_window <= timedelta() or timedelta(days=1) % self.base_window:
            raise SettingsError(
                f"MONITOR_BASE_WINDOW={format_duration(self.base_window)} does not divide a day", "use 1m, 5m, 1h, ..."
            )
        if self.larger_windows == DEFAULT_LARGER_WINDOWS:
            object.__setattr__(self, "larger_windows", _multiples(self.base_window, self.larger_windows))
        previous, variable = self.base_window, "MONITOR_BASE_WINDOW"
        for size in self.larger_windows:
            if size <= previous or size % previous:
                raise SettingsError(
                    f"MONITOR_LARGER_WINDOWS: {format_duration(size)} is no multiple of "
                    f"{format_duration(previous)} ({variable})",
                    "write them in rising order, each a multiple of the window before",
                )
            previous, variable = size, "MONITOR_LARGER_WINDOWS"
        if self.curve_windows == DEFAULT_LARGER_WINDOWS:
            computed = (self.base_window, *self.larger_windows)
            fitting = tuple(size for size in self.curve_windows if size in computed)
            object.__setattr__(self, "curve_windows", fitting)


def _multiples(base: timedelta, sizes: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
    """Return the sizes that are larger than a base window and multiples of it."""
    return tuple(size for size in sizes if size > base and size % base == timedelta())
