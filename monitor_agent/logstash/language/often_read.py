"""The objects of an event that conditions read several fields of: generated Python reads such an object once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from monitor_agent.logstash.language import syntax
from monitor_agent.logstash.language.field_references import field_reference, is_index

Path = tuple[str, ...]

AHEAD = 20
"""The most nodes whose conditions are counted; the time for a long configuration must not be its square."""


def often_read(branch: syntax.Branch, following: Sequence[syntax.Node]) -> list[Path]:
    """Return the paths of the objects that are worth a name before this if.

    The first condition reads the object, or two of the others do; a name that no condition uses would cost time.
    """
    first = Counter(_objects_in(branch.arms[0].condition))
    later = Counter(path for arm in branch.arms[1:] for path in _objects_in(arm.condition))
    total = Counter(_objects_below([branch, *following[:AHEAD]]))
    return [path for path in {**first, **later} if later[path] > 1 or (path in first and total[path] > 1)]


def _objects_below(nodes: Sequence[syntax.Node]) -> Iterator[Path]:
    for node in nodes:
        if isinstance(node, syntax.Branch):
            for arm in node.arms:
                yield from _objects_in(arm.condition)
                yield from _objects_below(arm.body)


def _objects_in(condition: syntax.Condition | None) -> Iterator[Path]:
    """Yield the paths of the objects around the fields in a condition; a list is none of them."""
    for selector in _selectors(condition):
        try:
            path = field_reference(selector.text).path
        except ValueError:
            continue  # the condition itself is refused
        for length in range(1, len(path)):
            if is_index(path[length]):
                break
            yield path[:length]


def _selectors(condition: syntax.Condition | None) -> Iterator[syntax.Selector]:
    if isinstance(condition, syntax.Truth):
        yield condition.selector
    elif isinstance(condition, syntax.Negation):
        yield from _selectors(condition.operand)
    elif isinstance(condition, syntax.Junction):
        for operand in condition.operands:
            yield from _selectors(operand)
    elif isinstance(condition, syntax.Comparison):
        for side in (condition.left, condition.right):
            if isinstance(side, syntax.Selector):
                yield side
