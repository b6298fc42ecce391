"""One line for each error of Elasticsearch that is not about a document, for the log and for `pipeline stats`."""

from __future__ import annotations

from monitor_agent.contracts import index_troubles
from monitor_agent.contracts.index_troubles import BLOCK_TYPE, IndexTrouble, shortened
from monitor_agent.contracts.role_names import PIPELINE_WRITER

CREDENTIALS = "check PIPELINE_USERNAME and PIPELINE_PASSWORD, or PIPELINE_API_KEY, or the address's user"
RIGHTS = f"PIPELINE_USERNAME must be a user with the role {PIPELINE_WRITER} (docs/users.md)"
_UNAUTHORIZED, _FORBIDDEN = 401, 403


def index_trouble(index: str, status: int, reason: str) -> IndexTrouble | None:
    """Return why an index takes no documents; None if the document, or the whole cluster, is the cause.

    Parameters
    ----------
    reason : type and reason of the error, as `bulk.reason_of` writes them.
    """
    trouble = index_troubles.index_trouble(index, reason)
    if trouble is None and _lacks_rights(status, reason):
        return IndexTrouble(
            "no rights", f"the pipeline may not write index {index} ({shortened(reason)})", _remedy(status)
        )
    return trouble


def general_trouble(status: int, reason: str) -> str:
    """Return one line about an error that concerns all documents: what is wrong, and the remedy if there is one."""
    trouble = index_troubles.cluster_trouble(reason)
    if trouble is not None:
        return f"{trouble.message}; trying again"
    message = "elasticsearch takes no documents now"
    if _lacks_rights(status, reason):
        message = f"elasticsearch does not let the pipeline write; {_remedy(status)}"
    return f"{message}; trying again (status {status}: {shortened(reason)})"


def _lacks_rights(status: int, reason: str) -> bool:
    """Return whether the user may not write; a block has the same status."""
    return status in (_UNAUTHORIZED, _FORBIDDEN) and not reason.startswith(BLOCK_TYPE)


def _remedy(status: int) -> str:
    return RIGHTS if status == _FORBIDDEN else CREDENTIALS
