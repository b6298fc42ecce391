"""The pipeline stores only the features on the allow-lists, and refuses no event because of others."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.dry_pipeline import document_of
from tests.factories import make_prediction

LISTS = {"MODEL_SERVER_NUMERIC_FEATURES": "price, age", "MODEL_SERVER_CATEGORICAL_FEATURES": "brand,price"}
SECRET = "ada@example.org"
NUMERIC = [
    ({"price": 1.5}, {"price": 1.5}),
    ({"price": 1, "age": -2.0e-7}, {"price": 1, "age": -2.0e-7}),
    ({"salary": 90_000, "price": 1.5}, {"price": 1.5}),
    ({"price": 1.5, "salary": 90_000}, {"price": 1.5}),
    ({"price": 1.5, "salary": 90_000, "age": 3, "born": 1970}, {"price": 1.5, "age": 3}),
    ({"price": 1.5, "price_2": 2, "pric": 3, "Price": 4, " age": 5}, {"price": 1.5}),
    ({"price": None, "salary": "text"}, {"price": None}),
    ({"salary": {"of": [1, 2]}, "price": 2}, {"price": 2}),
    ({"salary": 1e300, "price": 2}, {"price": 2}),
    ({"salary": 90_000}, None),
    ({"price": 1, "": 2, "a.b": 3, 'a"b': 4, "a\\": 5, "é": 6, ",price,": 7, "} ,price,": 8}, {"price": 1}),
    ([{"salary": 90_000}], None),
    ([None, {"salary": 90_000}], None),
]
CATEGORICAL = [
    ({"brand": "b"}, {"brand": "b"}),
    ({"brand": ["a", "b"], "mail": SECRET}, {"brand": ["a", "b"]}),
    ({"mail": SECRET, "brand": 'quote " comma , brace } ,mail,'}, {"brand": 'quote " comma , brace } ,mail,'}),
    ({"brand": '","mail":"b', "x": 1}, {"brand": '","mail":"b'}),
    ({"brand": "a,", ":mail": SECRET, "mail": SECRET}, {"brand": "a,"}),
    ({"brand": "x\\", "mail": f"\\{SECRET}\n"}, {"brand": "x\\"}),
    ({"mail": [[[[SECRET]]]], "brand": "b"}, None),
    ({"mail": {"a": {"b": {"c": SECRET}}}}, None),
    ([{"mail": SECRET}], None),
    ([{"brand": "b"}, {"mail": SECRET}], None),
    (True, None),
]


def features_of(features: Any, environ: dict[str, str] | None = None) -> Any:
    """Return the features in the document of a prediction; the prediction is never a dead letter."""
    prediction = {**make_prediction(), "features": features}
    source = document_of(prediction, {"MODEL_SERVER_NUMERIC_FEATURES": "", **(LISTS if environ is None else environ)})
    assert source["event"]["id"] == prediction["event"]["id"]
    assert "error" not in source
    return source.get("features")


@pytest.mark.parametrize(("logged", "stored"), NUMERIC)
def test_numbers_that_are_not_listed_are_left_out(logged: Any, stored: Any) -> None:
    """Listed features keep their values; the others are nowhere in the document."""
    assert features_of({"numeric": logged}) == (None if stored is None else {"numeric": stored})


@pytest.mark.parametrize(("logged", "stored"), CATEGORICAL)
def test_texts_that_are_not_listed_are_left_out(logged: Any, stored: Any) -> None:
    """A value cannot pass for a name or for the list; what is doubtful is left out as a whole."""
    assert features_of({"categorical": logged}) == (None if stored is None else {"categorical": stored})


@pytest.mark.parametrize(
    "features", [{"other": {"mail": SECRET}}, [{"other": {"mail": SECRET}}], {"mail": SECRET}, [SECRET]]
)
def test_other_features_are_left_out(features: Any) -> None:
    """They are a place for personal data."""
    assert features_of(features) is None


def test_without_lists_no_feature_is_stored() -> None:
    """The default is safe."""
    assert features_of({"numeric": {"price": 1}, "categorical": {"brand": "b"}, "other": {"a": 1}}, {}) is None


@pytest.mark.parametrize("on", ["true", "TRUE", "1", "yes", "on"])
def test_a_setting_stores_all_features(on: str) -> None:
    """The setting is read as the server reads it."""
    features = {"numeric": {"salary": 1.5}, "categorical": {"brand": "b"}, "other": {"mail": SECRET}}

    assert features_of(features, {**LISTS, "MODEL_SERVER_LOG_OTHER_FEATURES": on}) == features


def test_many_features_take_little_time() -> None:
    """The time grows at most with the square of a line's length, which is limited."""
    names = {f"f{number:04}": "}" * 3 for number in range(2000)}

    began = time.monotonic()
    assert features_of({"categorical": {**names, "brand": "b"}}) == {"categorical": {"brand": "b"}}
    assert time.monotonic() - began < 30
