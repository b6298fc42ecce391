"""Verdicts: whether a version has fallen, against the version beside it or against the model's last weeks."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, date, double, keyword, long, stored

OLDER_VERSION, LAST_WEEKS = "version", "last_weeks"
EARLY, FINAL = "early", "final"
NO_REFERENCE, NO_SAMPLES, NOTHING_LOWER = "no_reference", "no_samples", "nothing_lower"
NOT_SERVED, HOLIDAY = "not_served", "holiday"

AVAILABILITY, LATENCY = "availability", "latency"
SLOS = {
    AVAILABILITY: "requests that fail or are refused",
    LATENCY: "answered requests that take longer than `slo_latency`",
}
"""The service level objectives, with the requests that spend their budgets."""
BURN_WINDOWS = ("5m", "30m", "1h", "6h", "3d")
"""The times whose burn rates alerts compare."""
LONG_BURN_WINDOWS = ("1h", "6h", "3d")

RATE, AUC, F1, ANSWERED = "rate", "auc", "f1", "answered"
MEASURES = {
    RATE: "share of positives",
    AUC: "AUC",
    F1: "F1",
    ANSWERED: "share of requests that are answered without an error",
}
"""The measures that are judged, with their meaning."""


def _measure_fields(name: str, meaning: str) -> dict[str, Field]:
    return {
        f"{name}_fall": double(
            f"how far the {meaning} has fallen since `{name}_since`, as a share of the reference, if that is not "
            "chance; else 0; null = not measured",
            "share",
        ),
        f"{name}_evidence": double(
            "log-likelihood ratio of a fall, divided by its limit: from 1 on, the fall is not chance, however often it "
            "is looked at"
        ),
        f"{name}_since": date("when the fall began, as far as one can tell; null if nothing is lower"),
        name: double(f"{meaning} since then"),
        f"{name}_reference": double(f"{meaning} of the reference in the same hours"),
        f"{name}_drop": double(f"`{name}_reference` minus `{name}`: above 0 = worse"),
        f"{name}_drop_low": double(f"lower end of the 95 % interval of `{name}_drop`, as for a start known beforehand"),
        f"{name}_drop_high": double(f"upper end of the 95 % interval of `{name}_drop`"),
        f"{name}_samples": double("what was counted since then"),
        f"{name}_undefined": keyword(
            f"why there is no level: `{NO_REFERENCE}`, `{NO_SAMPLES}`, `{NOTHING_LOWER}` (measured, and not fallen), "
            f"`{HOLIDAY}` (a holiday, and no earlier one to compare it with) or `{NOT_SERVED}` (nothing for two hours: "
            "what is not served has not fallen)"
        ),
    }


def _slo_fields(name: str, meaning: str) -> dict[str, Field]:
    burn = f"how fast the error budget of `{name}` was spent in the last"
    return {
        f"{name}_slo": double(f"the objective: 1 minus the share of {meaning}; null = the model has none", "share"),
        f"{name}_budget_remaining": double(
            "how much of the error budget of `slo_window` is left: 1 = all of it, below 0 = the objective is missed",
            "share",
        ),
        **{
            f"{name}_burn_{window}": double(f"{burn} {window}: at 1 it lasts for exactly `slo_window`")
            for window in BURN_WINDOWS
        },
        **{f"{name}_bad_{window}": long(f"{meaning}, in the last {window}") for window in LONG_BURN_WINDOWS},
    }


VERDICTS = IndexContract(
    name="model-verdicts",
    alias="model-verdicts",
    suffix="%Y.%m",
    help="Verdicts on each model, version and segment: what has fallen, since when, and how sure that is",
    fields={
        "@timestamp": date("when the verdict was due: each 5 minutes, of segments each hour"),
        "judged_until": date("the end of the windows that were judged"),
        "model_name": keyword("the model"),
        "model_version": keyword("its version; `all` = across versions"),
        "segment": keyword("`all`, or as `labels.scene=search`"),
        "against": keyword(
            f"what it is compared with: `{OLDER_VERSION}` (an older version in the same windows) or `{LAST_WEEKS}` "
            "(the same hours of the model's last weeks); null = there is neither"
        ),
        "against_version": keyword("the older version; null if it is compared with the last weeks"),
        "counted": keyword(
            f"which positives count: `{EARLY}` (within 5 minutes after the prediction, for all windows alike) or "
            f"`{FINAL}` (all, in final windows)"
        ),
        **{
            field: entry
            for name, meaning in MEASURES.items()
            for field, entry in _measure_fields(name, meaning).items()
        },
        "falls_with_version": keyword(
            "of a segment: the measures that have fallen, but less than twice as far as in all segments of the version "
            "together in the same time: these falls are trouble of the version, not of the segment"
        ),
        "drift_share": double(
            "share of the scores, labels and features that have drifted: in two of the newest three hours that have "
            "enough values, or else in the newest such day; null = neither has",
            "share",
        ),
        "drift_window": keyword("the size of these windows"),
        **{field: entry for name, meaning in SLOS.items() for field, entry in _slo_fields(name, meaning).items()},
        "broken_features": long(
            "features whose values are missing, out of range, new, constant, stale or of a wrong type, unlike in the "
            "reference: in two of the newest three hours or in these together (in one, if half of the predictions are "
            "concerned), or in the newest day, unless the newest hours are sound again; null = not measured"
        ),
        "broken_names": keyword("the worst of them, at most 5"),
        "broken_since": date("since when the first of them is broken"),
        "broken": stored("the worst of them, with check, share, share of the reference and beginning"),
    },
    sample={
        "@timestamp": "2026-11-23T10:12:00Z",
        "judged_until": "2026-11-23T10:05:00Z",
        "model_name": "click",
        "model_version": "2",
        "segment": "all",
        "against": OLDER_VERSION,
        "against_version": "1",
        "counted": EARLY,
        "rate_fall": 0.31,
        "rate_evidence": 1.4,
        "rate_since": "2026-11-23T09:00:00Z",
        "rate": 0.069,
        "rate_reference": 0.1,
        "rate_drop": 0.031,
        "rate_drop_low": 0.024,
        "rate_drop_high": 0.038,
        "rate_samples": 3250.0,
        "auc_fall": None,
        "auc_undefined": NO_SAMPLES,
        "broken_features": 0,
        "broken_names": [],
        "broken": [],
    },
)
