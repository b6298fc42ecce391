"""Every index has a data view with the name of the index."""

from __future__ import annotations

from collections.abc import Iterator

from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.objects import SavedObject


def check(bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield, once for the whole bundle, the indices without a data view."""
    if saved is not next(iter(bundle.objects.values())):
        return
    for contract in CONTRACTS:
        view = bundle.views.get(contract.name)
        if view is None or view.index != contract.pattern:
            yield f"no data view {contract.name} reads {contract.pattern}"
