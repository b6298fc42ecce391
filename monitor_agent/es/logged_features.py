"""The features that predictions have, whatever the model."""

from __future__ import annotations

from collections.abc import Sequence

from monitor_agent.contracts.drift import AGE, CATEGORICAL, NUMERIC
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.gateway import Gateway


def logged_features(gateway: Gateway) -> list[str]:
    """Return the fields of all features, such as `features.numeric.price`, sorted."""
    return _fields(gateway, [f"features.{kind}.*" for kind in (NUMERIC, CATEGORICAL)])


def aged_features(gateway: Gateway) -> frozenset[str]:
    """Return the features whose age is logged, such as `numeric.price`; a name may be one of both kinds."""
    names = [field.removeprefix(f"features.{AGE}.") for field in _fields(gateway, [f"features.{AGE}.*"])]
    return frozenset(f"{kind}.{name}" for name in names for kind in (NUMERIC, CATEGORICAL))


def _fields(gateway: Gateway, patterns: Sequence[str]) -> list[str]:
    response = gateway.call(
        "list the logged features",
        lambda client: (
            client.field_caps(
                index=PREDICTIONS.alias, fields=list(patterns), ignore_unavailable=True, allow_no_indices=True
            ).body
        ),
    )
    return sorted(response["fields"])
