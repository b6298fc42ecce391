"""The line of an event file that a dead letter becomes again when it is replayed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor_agent.contracts.ecs import DATASET_FEEDBACK
from monitor_agent.logstash.events.json_text import read, write


def line_of(letter: Mapping[str, Any]) -> str:
    """Return the text of a dead letter as one line.

    A request to the http input says less than a line of a file: the pipeline gave it a time, a dataset and an id, and
    the letter has them. A letter without the path of a file comes from a request.
    """
    text = str(letter.get("message", ""))
    if "log" not in letter:
        text = _completed(text, letter)
    return text.replace("\n", " ")


def _completed(text: str, letter: Mapping[str, Any]) -> str:
    try:
        value = read(text.encode())
    except ValueError:
        return text
    fields = value[0] if isinstance(value, list) and len(value) == 1 else value
    if not isinstance(fields, dict):
        return text
    event = fields.get("event")
    if event is not None and not isinstance(event, dict):
        return text
    event = {**(event or {}), "dataset": DATASET_FEEDBACK}
    if event.get("id") is None:
        event["id"] = letter.get("event", {}).get("id")
    time = fields.get("@timestamp")
    return write({**fields, "@timestamp": letter.get("@timestamp") if time is None else time, "event": event}).decode()
