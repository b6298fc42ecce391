"""The document of a release, and its id (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor_agent.pipeline import instants
from monitor_agent.pipeline.documents import Document, hashed_id


@dataclass(frozen=True)
class Release:
    """One version of a model that went live.

    Attributes
    ----------
    model, version : the version.
    at : when it went live.
    source : `told` if the command `release` recorded it, `seen` if the agent detected it in predictions.
    note : a remark of the user.
    """

    model: str
    version: str
    at: datetime
    source: str
    note: str = ""

    @property
    def id(self) -> str:
        """The document's `_id`; it depends on model and version only, so that a version has one document."""
        return hashed_id(self.model, self.version)

    def document(self) -> Document:
        """Return the document's content."""
        return {
            "@timestamp": instants.text(self.at),
            "model_name": self.model,
            "model_version": self.version,
            "source": self.source,
            **({"note": self.note} if self.note else {}),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Release:
        """Return the release that `document` wrote."""
        return cls(
            str(document["model_name"]),
            str(document["model_version"]),
            instants.parse(document["@timestamp"]),
            str(document["source"]),
            str(document.get("note") or ""),
        )
