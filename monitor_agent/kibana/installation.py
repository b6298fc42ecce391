"""The differences between the saved objects and those in Kibana, and the refusals of an import, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from monitor_agent.kibana import package
from monitor_agent.kibana.api import ImportResult, Kibana
from monitor_agent.kibana.objects import SavedObject, to_document

TAG = "model-monitoring"
"""The tag of all panels, searches and dashboards of this project."""

TAGGED = ("dashboard", "lens", "search")

_REASONS = {
    "conflict": "exists already",
    "ambiguous_conflict": "already exists more than once",
    "missing_references": "refers to an object that does not exist",
    "unsupported_type": "has a type that this Kibana does not support",
}


def exported(
    kibana: Kibana, view_ids: Iterable[str], report: Callable[[str], object] = lambda _line: None
) -> dict[tuple[str, str], SavedObject]:
    """Return the objects in Kibana that have the project's tag, and its data views, by type and id.

    Parameters
    ----------
    view_ids : ids of the project's data views: a data view has no tag, and an export by tag holds only those in use.
    report : gets a line for each object that the export lacks.
    """
    views = package.unpack(kibana.export(["index-pattern"]), set(view_ids))
    tagged = kibana.export(TAGGED, TAG)
    for gap in package.gaps(tagged):
        report(gap)
    return {**views, **package.unpack(tagged)}


def differences(kibana: Kibana, objects: Iterable[SavedObject]) -> Iterator[str]:
    """Yield a line for every object that differs from Kibana's, and a last line with counts."""
    local = sorted(objects, key=lambda saved: saved.key)
    remote = exported(kibana, [saved.id for saved in local])
    counts = {"new": 0, "different": 0, "the same": 0}
    for saved in local:
        stored = remote.get((saved.type, saved.id))
        state = "new" if stored is None else "the same" if _content(stored) == _content(saved) else "different"
        counts[state] += 1
        if state != "the same":
            yield f"{state}: {saved.key}"
    only_remote = sorted(set(remote) - {(saved.type, saved.id) for saved in local})
    yield from (f"only in Kibana: {type_}:{name}" for type_, name in only_remote)
    summary = ", ".join(f"{count} {state}" for state, count in counts.items())
    yield f"{summary}, {len(only_remote)} only in Kibana; nothing was changed"


def refusals(result: ImportResult) -> Iterator[str]:
    """Yield a line for every object that an import refused."""
    for refusal in result.refused:
        detail = f": {refusal.detail}" if refusal.detail else ""
        yield f"{refusal.type}:{refusal.id} {_REASONS.get(refusal.reason, refusal.reason)}{detail}"


def _content(saved: SavedObject) -> object:
    document = to_document(saved, encoded=False)
    return document["attributes"], document["references"]
