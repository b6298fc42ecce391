"""Segments: one for each selected value, `other` for the remaining values, and `all`."""

from __future__ import annotations

from monitor_agent.pipeline.segments import segments, selected_values


def test_a_selected_value_stays_selected() -> None:
    """New values take the remaining places, most frequent first, up to the cap."""
    assert selected_values(["a", "b"], ["c", "b", "d"], cap=3) == ["a", "b", "c"]
    assert selected_values(["a", "b", "c"], ["d"], cap=2) == ["a", "b", "c"]


def test_a_value_named_other_is_part_of_other() -> None:
    """Otherwise two segments would have one name."""
    assert selected_values([], ["other", "a"], cap=5) == ["a"]


def test_segments_are_filters() -> None:
    """One for each selected value, one for other values of the label, and one without the label to complete `all`."""
    by_name = {segment.name: (segment.labels, segment.query) for segment in segments({"scene": ["ad"]})}

    assert by_name == {
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
    """Each prediction is in exactly one segment of the first label; without labels there is one segment."""
    names = [segment.name for segment in segments({"scene": ["ad"], "shop": ["de"]}) if segment.part_of_all]

    assert names == ["labels.scene=ad", "labels.scene=other", ""]
    assert [(segment.query, segment.part_of_all) for segment in segments({})] == [({"match_all": {}}, True)]
