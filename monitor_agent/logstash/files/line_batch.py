"""Lines that are read together, and the places in their files up to which they are delivered with the batch."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor_agent.logstash.files.followed_file import FollowedFile, Mark

Checkpoint = dict[FollowedFile, Mark]
"""For each file of a batch: the place up to which it is delivered as soon as the batch is."""


@dataclass
class LineBatch:
    """Lines read together: by path (as text that can be written), in the order of reading."""

    pieces: list[tuple[str, list[bytes]]] = field(default_factory=list)
    checkpoint: Checkpoint = field(default_factory=dict)
    lines: int = 0
    bytes: int = 0
