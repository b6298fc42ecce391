"""Silences of alerts, and acknowledgements of firings: what people have said about alerts."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, date, keyword, text

KIND_SILENCE, KIND_ACKNOWLEDGEMENT = "silence", "acknowledgement"

FIELDS: dict[str, Field] = {
    "@timestamp": date("when it was written"),
    "kind": keyword("`silence`, or `acknowledgement`: a firing that is not repeated any more"),
    "author": keyword("who has written it"),
    "reason": text("why"),
    "start": date("from when on nobody is told of the firings"),
    "end": date("until when; `alerts unsilence` sets it to now"),
    "model": keyword("name of the model, or a pattern of shell wildcards"),
    "alert": keyword("id of the alert, or a pattern of shell wildcards"),
    "matchers": keyword("further fields of a firing with their values or patterns, such as `model_version=2`"),
    "firing": keyword("`_id` of the acknowledged firing in `model-alerts`"),
}

SILENCES = IndexContract(
    name="model-silences",
    alias="model-silences",
    suffix="",
    help="Silences of alerts and acknowledgements of firings; they are never deleted",
    fields=FIELDS,
    sample={
        "@timestamp": "2026-11-23T10:15:00Z",
        "kind": KIND_SILENCE,
        "author": "kim",
        "reason": "the shop is closed for maintenance",
        "start": "2026-11-23T10:15:00Z",
        "end": "2026-11-23T12:15:00Z",
        "model": "click",
        "alert": "*",
        "matchers": ["model_version=2"],
    },
)
