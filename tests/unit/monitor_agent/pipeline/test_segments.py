"""Segments: one for each kept value, `other` for the rest, everything for all."""

from __future__ import annotations

from monitor_agent.pipeline.segments import segments, selected_values


def test_a_value_once_kept_stays() -> None:
    """Values seen later take the places that are left, most frequent first; the cap holds."""
    assert selected_values(["a", "b"], ["c", "b", "d"], cap=3) == ["a", "b", "c"]
    assert selected_values(["a", "b", "c"], ["d"], cap=2) == ["a", "b", "c"]


def test_a_value_named_other_is_part_of_other() -> None:
    """Else two segments would share a name."""
    assert selected_values([], ["other", "a"], cap=5) == ["a"]


def test_segments_are_asked_for_as_filters() -> None:
    """Each kept value, what has the label but none of them, and, for all, what has no label."""
    found = {segment.name: (segment.labels, segment.query) for segment in segments({"scene": ["ad"]})}

    assert found == {
        "": ({}, {"bool": {"must_not": [{"exists": {"field": "labels.scene"}}]}}),
        "labels.scene=ad": ({"scene": "ad"}, {"term": {"labels.scene": "ad"}}),
        "labels.scene=other": (
            {"scene": "other"},
            {
                "bool": {
                    "filter": [{"exists": {"field": "labels.scene"}}],
                    "must_not": [{"terms": {"labels.scene": ["ad"]}}],
                }
            },
        ),
    }


def test_all_is_made_of_the_segments_of_one_label() -> None:
    """Each prediction is in exactly one of the first label's parts; without labels all are one part."""
    parts = [each.name for each in segments({"scene": ["ad"], "shop": ["de"]}) if each.part_of_all]

    assert parts == ["labels.scene=ad", "labels.scene=other", ""]
    assert [(each.query, each.part_of_all) for each in segments({})] == [({"match_all": {}}, True)]
