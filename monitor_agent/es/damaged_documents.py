"""Stored documents that cannot be read, because somebody has written or changed them by hand: they are named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from monitor_agent.errors import DamagedDocumentError, MonitorError, in_one_line

COMPUTE_AGAIN = "delete it, then run `monitor-agent backfill` over its time"

REPAIR = "correct or delete the document; `monitor-agent setup --repair` corrects the mapping of an index"


@contextlib.contextmanager
def reading(hit: Mapping[str, Any], remedy: str = COMPUTE_AGAIN) -> Iterator[None]:
    """Name the document if the block, which reads it, fails.

    Parameters
    ----------
    hit : a search hit, or a document of a multi-get response.
    remedy : what the user can do.

    Raises
    ------
    DamagedDocumentError
        If the block raises an error that is not one of the product's own.
    """
    try:
        yield
    except MonitorError:
        raise
    except Exception as error:
        place = f"{hit.get('_index')}/{hit.get('_id')}"
        raise DamagedDocumentError(f"the document {place} cannot be read ({in_one_line(error)})", remedy) from error


def model_of(hit: Mapping[str, Any]) -> str:
    """Return the model that a stored document names; empty if it names none."""
    model = hit["_source"].get("model_name")
    return model if isinstance(model, str) else ""
