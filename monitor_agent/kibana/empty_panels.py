"""What it means that a panel is empty: the tag of panels that may be, and what their description says of it (pure)."""

from __future__ import annotations

from monitor_agent.kibana.objects import SavedObject

MAY_BE_EMPTY = "may-be-empty"
"""The tag of panels that show trouble, or what not every client sends: without any, they are empty."""

_WORD, _GOOD = "Empty ", "Empty is good: "


def may_be_empty(saved: SavedObject) -> bool:
    """Return whether an object carries the tag."""
    return any(each.type == "tag" and each.id == MAY_BE_EMPTY for each in saved.references)


def meaning_of_empty(description: str) -> tuple[str, bool]:
    """Return what a description says an empty panel means, and whether that is good; an empty text if it says nothing.

    It is the last sentence, which begins with `Empty`.

    >>> meaning_of_empty("By reason. Empty is good: every line was read.")
    ('Every line was read.', True)
    >>> meaning_of_empty("By query. Empty where requests name none.")
    ('Empty where requests name none.', False)
    """
    _, word, rest = description.rpartition(_WORD)
    said = word + rest
    if said.startswith(_GOOD):
        text = said.removeprefix(_GOOD)
        return text[:1].upper() + text[1:], True
    return (said, False) if word else ("", False)
