"""Limits of what an event may hold, for the model server's requests and for the records of other programs."""

from __future__ import annotations

from datetime import timedelta

MAX_ID_LENGTH = 256
MAX_EVENT_ID_LENGTH = 128
"""The event id becomes a document's `_id`, which may have 512 bytes; a character has 4 at most."""

MAX_LABEL_LENGTH = 256
MAX_QUERY_LENGTH = 4096
MAX_FEATURE_NAME_LENGTH = 128
MAX_FEATURE_LENGTH = 1024
MAX_MESSAGE_LENGTH = 1000
MAX_PATH_LENGTH = 256

ROUNDING = 4 * 2.0**-23
"""Four steps of a float32 at 1: a probability that is so far beyond 0 or 1 is rounded, and clipped."""

MOST_AHEAD = timedelta(hours=23, minutes=59)
"""How far a time may be ahead: the pipeline refuses events of later times."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far the clock that made a prediction's id may be ahead of this machine."""
