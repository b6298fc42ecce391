"""Revisions of a model: when they begin, and that no window has two of them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise

import hypothesis
from hypothesis import strategies as st

from monitor_agent.pipeline.model_history import ModelHistory, Revision, SettingsChange, new_revisions
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import ModelSettings

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MONDAY = datetime(2026, 11, 23, tzinfo=timezone.utc)
MORNING = MONDAY + 10 * HOUR

Table = dict[str, str]


def history(*changes: tuple[datetime, Table] | tuple[datetime, Table, datetime]) -> ModelHistory:
    """Return a history of changes of the table `default`."""
    result = ModelHistory()
    for changed_at, table, *restated in changes:
        result = result.with_change({"default": table}, changed_at, restated[0] if restated else None)
    return result


def bounds(revisions: list[Revision]) -> list[tuple[int, datetime | None, datetime | None]]:
    """Return number, start and end of revisions."""
    return [(revision.number, revision.start, revision.end) for revision in revisions]


def test_the_first_revision_applies_to_all_time() -> None:
    """Also to a model that appears after several changes: its first settings are those of that moment."""
    changed = history((MONDAY, {}), (MORNING, {"gate_positives": "5"}), (MORNING + DAY, {"gate_positives": "7"}))

    assert bounds(changed.revisions("click", 3)) == [(1, None, None)]
    assert bounds(changed.revisions("click")) == [(1, None, None)]
    assert changed.revisions("click")[0].settings.gate_positives == 7
    assert ModelHistory().revisions("click") == [Revision(1, ModelSettings())]


def test_a_later_revision_begins_with_the_next_largest_window() -> None:
    """It begins where windows of the old and of the new settings begin."""
    changed = history((MONDAY, {}), (MORNING, {"attribution_window": "2h"}))
    weekly = history((MONDAY, {}), (MORNING, {"larger_windows": "1h,1d,7d"}))

    assert bounds(changed.revisions("click", 1)) == [(1, None, MONDAY + DAY), (2, MONDAY + DAY, None)]
    assert bounds(weekly.revisions("click", 1))[1] == (2, MONDAY + 7 * DAY, None)


def test_a_day_of_another_time_zone_begins_between_two_days() -> None:
    """No moment begins a day of both zones: windows that would be cut are left out, base windows are not."""
    zones = history((MONDAY, {}), (MORNING, {"time_zone": "Asia/Tokyo"}))

    first, second = zones.revisions("click", 1)

    assert first.end == second.start == MONDAY + DAY
    day = Calendar(second.settings).window("1d", MONDAY + DAY)
    assert not first.holds(day)
    assert not second.holds(day)
    assert second.holds(Calendar(second.settings).window("1d", day.end))


def test_a_change_that_another_one_follows_before_its_time_never_takes_effect() -> None:
    """Its number is not used again."""
    twice = history((MONDAY, {}), (MORNING, {"kind": "binary"}), (MORNING + HOUR, {"kind": "regression"}))
    taken_back = history((MONDAY, {}), (MORNING, {"kind": "binary"}), (MORNING + HOUR, {}))

    assert bounds(twice.revisions("click", 1)) == [(1, None, MONDAY + DAY), (3, MONDAY + DAY, None)]
    assert bounds(taken_back.revisions("click", 1)) == [(1, None, MONDAY + DAY), (3, MONDAY + DAY, None)]


def test_a_change_of_another_table_is_no_revision() -> None:
    """Only models whose settings change get a further one."""
    before = history((MONDAY, {}))
    after = before.with_change({"default": {}, "fraud-*": {"base_window": "1h"}}, MORNING)

    latest = new_revisions(before, after, {"click": 1, "fraud-1": 1})

    assert list(latest) == ["fraud-1"]
    assert latest["fraud-1"].start == MONDAY + DAY


def test_a_change_that_restates_begins_in_the_past() -> None:
    """It replaces the revisions that begin later."""
    changed = history(
        (MONDAY, {}),
        (MORNING, {"kind": "binary"}),
        (MONDAY + 5 * DAY, {"kind": "regression"}, MONDAY + DAY),
        (MONDAY + 6 * DAY, {"kind": "regression"}, MONDAY - 7 * DAY),
    )

    assert bounds(ModelHistory(changed.changes[:3]).revisions("click", 1)) == [
        (1, None, MONDAY + DAY),
        (3, MONDAY + DAY, None),
    ]
    assert bounds(changed.revisions("click", 1)) == [(1, None, MONDAY - 7 * DAY), (4, MONDAY - 7 * DAY, None)]


def test_a_stored_change_is_read_as_it_was_written() -> None:
    """The history survives JSON."""
    change = SettingsChange(3, MORNING, {"default": {"kind": ""}}, MONDAY)

    assert SettingsChange.from_content(change.content()) == change


TABLES = st.fixed_dictionaries(
    {},
    optional={
        "time_zone": st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"]),
        "base_window": st.sampled_from(["1m", "15m"]),
        "larger_windows": st.sampled_from(["1h", "1h,1d", "6h,1d,7d", ""]),
        "gate_positives": st.sampled_from(["5", "7"]),
    },
)
CHANGES = st.lists(
    st.tuples(st.integers(1, 200), TABLES, st.one_of(st.none(), st.integers(0, 300))), min_size=1, max_size=5
)


@hypothesis.given(CHANGES, st.integers(1, 6))
def test_revisions_cover_all_time_without_gaps_and_no_base_window_is_cut(
    rows: list[tuple[int, Table, int | None]], first_change: int
) -> None:
    """Whatever changes at whatever time: one revision follows another, at a start of base windows of both."""
    changed, moment = history((MONDAY, {})), MONDAY
    for hours, table, restated in rows:
        moment += hours * HOUR
        recompute_from = None if restated is None else moment - restated * HOUR
        changed = changed.with_change({"default": table}, moment, recompute_from)

    revisions = changed.revisions("click", first_change)

    assert revisions[0].start is None
    assert revisions[-1].end is None
    assert [revision.number for revision in revisions] == sorted({revision.number for revision in revisions})
    for earlier, later in pairwise(revisions):
        assert later.start is not None
        assert earlier.end == later.start
        for settings in (earlier.settings, later.settings):
            assert Calendar(settings).base_window(later.start).start == later.start
    starts = [revision.start for revision in revisions if revision.start]
    assert starts == sorted(set(starts))
