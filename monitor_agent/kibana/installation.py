"""What an import would change, what one has refused, and the installation of alerts; in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monitor_agent.kibana import package
from monitor_agent.kibana.api import ImportResult, Kibana
from monitor_agent.kibana.objects import SavedObject, to_document

TAG = "model-monitoring"
"""The tag that all our panels, searches and dashboards carry."""

TAGGED = ("dashboard", "lens", "search")

_WORDS = {
    "conflict": "exists already",
    "ambiguous_conflict": "exists already, more than once",
    "missing_references": "refers to what is not there",
    "unsupported_type": "is of a type that this Kibana does not know",
}


def exported(kibana: Kibana, known: Iterable[str]) -> dict[tuple[str, str], SavedObject]:
    """Return our objects as they are in Kibana, and what people have added to them.

    Parameters
    ----------
    known : ids of our data views; data views cannot carry tags, and those that no panel reads are ours by their id.
    """
    views = package.unpack(kibana.export(["index-pattern"]))
    ours = {key: saved for key, saved in views.items() if saved.id in set(known)}
    return {**ours, **package.unpack(kibana.export(TAGGED, TAG))}


def differences(kibana: Kibana, objects: Iterable[SavedObject]) -> Iterator[str]:
    """Yield, in words, how our objects differ from those in Kibana, and a last line with counts."""
    ours = sorted(objects, key=lambda each: each.key)
    there = exported(kibana, [saved.id for saved in ours])
    counts = {"new": 0, "different": 0, "the same": 0}
    for saved in ours:
        other = there.get((saved.type, saved.id))
        state = "new" if other is None else "the same" if _content(other) == _content(saved) else "different"
        counts[state] += 1
        if state != "the same":
            yield f"{state}: {saved.key}"
    others = sorted(set(there) - {(saved.type, saved.id) for saved in ours})
    yield from (f"only in Kibana: {type_}:{name}" for type_, name in others)
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    yield f"{told}, {len(others)} only in Kibana; nothing was changed"


def refusals(done: ImportResult) -> Iterator[str]:
    """Yield, in words, what an import refused."""
    for each in done.refused:
        detail = f": {each.detail}" if each.detail else ""
        yield f"{each.type}:{each.id} {_WORDS.get(each.reason, each.reason)}{detail}"


def _content(saved: SavedObject) -> object:
    document = to_document(saved, encoded=False)
    return document["attributes"], document["references"]
