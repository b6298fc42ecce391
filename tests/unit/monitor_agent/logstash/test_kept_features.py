"""The pipeline keeps a server's numeric and categorical features, and refuses no event because of others."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dry_pipeline import document_of
from tests.factories import make_prediction

SECRET = "ada@example.org"
LISTED = {"numeric": {"price": 1.5, "age": -2.0e-7}, "categorical": {"brand": ["a", 'quote " } ,']}}


def features_of(features: Any, setting: str = "") -> Any:
    """Return the features in the document of a prediction; the prediction is never a dead letter."""
    prediction = {**make_prediction(), "features": features}
    source = document_of(prediction, {"MODEL_SERVER_LOG_OTHER_FEATURES": setting} if setting else {})
    assert source["event"]["id"] == prediction["event"]["id"]
    assert "error" not in source
    return source.get("features")


def test_listed_features_keep_their_values() -> None:
    """The server has compared them with its allow-lists."""
    assert features_of(LISTED) == LISTED


@pytest.mark.parametrize("setting", ["", "false", "off", "0", "no"])
@pytest.mark.parametrize(
    ("logged", "stored"),
    [
        ({**LISTED, "other": {"mail": SECRET}}, LISTED),
        ({**LISTED, "mail": SECRET, "others": [SECRET]}, LISTED),
        ({"other": {"mail": SECRET}}, None),
        ({"other": SECRET}, None),
        ({"mail": SECRET}, None),
        ([{**LISTED, "other": {"mail": SECRET}}], None),
        ([None, {"other": {"mail": SECRET}}], None),
        ([SECRET], None),
        ([], None),
        ({}, None),
        (None, None),
        (True, None),
    ],
)
def test_other_features_are_left_out(logged: Any, stored: Any, setting: str) -> None:
    """They are a place for personal data."""
    assert features_of(logged, setting) == stored


@pytest.mark.parametrize("setting", ["true", "TRUE", "1", "yes", "on"])
def test_a_setting_stores_all_features(setting: str) -> None:
    """The setting is read as the server reads it."""
    features = {**LISTED, "other": {"mail": SECRET}}

    assert features_of(features, setting) == features
