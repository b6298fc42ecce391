"""Every reference leads to an object, has a name of its own, and is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.lens import ANNOTATION_REFERENCE, LAYER_REFERENCE
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.saved_search import INDEX_REFERENCE


def check(bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield references to missing objects, missing references, and unused references."""
    for reference in saved.references:
        if f"{reference.type}:{reference.id}" not in bundle.by_key:
            yield f"the reference {reference.name} leads to {reference.type}:{reference.id}, which does not exist"
    names = Counter(reference.name for reference in saved.references)
    yield from (f"two references are named {name}" for name, count in names.items() if count > 1)
    needed = set(_needed_names(saved))
    yield from (f"the reference {name} is missing" for name in sorted(needed - names.keys()))
    for reference in saved.references:
        if reference.type == "tag":
            if reference.name != f"tag-ref-{reference.id}":
                yield f"the reference to the tag {reference.id} must be named tag-ref-{reference.id}"
        elif reference.name not in needed:
            yield f"nothing uses the reference {reference.name}"


def _needed_names(saved: SavedObject) -> Iterator[str]:
    attributes = saved.attributes
    source = attributes.get("kibanaSavedObjectMeta", {}).get("searchSourceJSON", {})
    for stored in source.get("filter", ()):
        yield stored["meta"]["indexRefName"]
    if saved.type == "search":
        yield source.get("indexRefName", INDEX_REFERENCE)
    elif saved.type == "lens":
        state = attributes["state"]
        for layer in state["datasourceStates"]["formBased"]["layers"]:
            yield f"{LAYER_REFERENCE}{layer}"
        for layer in state["visualization"].get("layers", ()):
            if layer.get("layerType") == "annotations":
                yield f"{ANNOTATION_REFERENCE}{layer['layerId']}"
    elif saved.type == "dashboard":
        for panel in attributes["panelsJSON"]:
            if panel["type"] in ("lens", "search"):
                yield f"{panel['panelIndex']}:{panel.get('panelRefName', 'savedObjectRef')}"
        for control in attributes.get("controlGroupInput", {}).get("panelsJSON", {}):
            yield f"controlGroup_{control}:optionsListDataView"
