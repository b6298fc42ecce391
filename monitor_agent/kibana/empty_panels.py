"""The meaning of an empty panel: the tag of panels that may be empty, and the sentence in their description (pure)."""

from __future__ import annotations

from monitor_agent.kibana.objects import SavedObject

MAY_BE_EMPTY = "may-be-empty"
"""The tag of panels that are empty if there is no trouble to show, or if no client sends an optional field."""

_WORD, _GOOD = "Empty ", "Empty is good: "


def may_be_empty(saved: SavedObject) -> bool:
    """Return whether an object carries the tag."""
    return any(reference.type == "tag" and reference.id == MAY_BE_EMPTY for reference in saved.references)


def meaning_of_empty(description: str) -> tuple[str, bool]:
    """Return the meaning of an empty panel and whether it is good news; an empty text if the description has none.

    The meaning is the last sentence, which begins with `Empty`.

    >>> meaning_of_empty("By reason. Empty is good: every line was read.")
    ('Every line was read.', True)
    >>> meaning_of_empty("By query. Empty where requests name none.")
    ('Empty where requests name none.', False)
    """
    _, word, rest = description.rpartition(_WORD)
    sentence = word + rest
    if sentence.startswith(_GOOD):
        reason = sentence.removeprefix(_GOOD)
        return reason[:1].upper() + reason[1:], True
    return (sentence, False) if word else ("", False)
