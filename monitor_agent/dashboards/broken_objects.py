"""One place that keeps a broken saved object, or a defect in its drawing, from the other panels and dashboards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from monitor_agent.errors import DataError, MonitorError, in_one_line


@contextlib.contextmanager
def told_in_its_place(name: str) -> Iterator[None]:
    """Turn every error of the block into one that is shown in the place of the object.

    Parameters
    ----------
    name : the object for people, such as `lens:accuracy`.

    Raises
    ------
    MonitorError
        If the block raises an error.
    """
    try:
        yield
    except MonitorError:
        raise
    except Exception as error:
        message = f"{name} cannot be shown ({in_one_line(error)})"
        raise DataError(message, "export it again from Kibana, or delete it") from error
