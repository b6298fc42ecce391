"""Verdicts: whether a version has fallen, against the version beside it or against the model's last weeks."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, date, double, keyword

OLDER_VERSION, LAST_WEEKS = "version", "last_weeks"
EARLY, FINAL = "early", "final"
NO_REFERENCE, NO_SAMPLES, NOTHING_LOWER = "no_reference", "no_samples", "nothing_lower"
NOT_SERVED = "not_served"

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
            f"why there is no level: `{NO_REFERENCE}`, `{NO_SAMPLES}`, `{NOTHING_LOWER}` (measured, and not fallen) or "
            f"`{NOT_SERVED}` (nothing for two hours: what is not served has not fallen)"
        ),
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
        "drift_share": double(
            "share of the scores, labels and features that have drifted: in two of the newest three hours that have "
            "enough values, or else in the newest such day; null = neither has",
            "share",
        ),
        "drift_window": keyword("the size of these windows"),
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
    },
)
