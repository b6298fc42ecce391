"""The features that predictions have, whatever the model."""

from __future__ import annotations

from monitor_agent.contracts.drift import CATEGORICAL, NUMERIC
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.gateway import Gateway


def logged_features(gateway: Gateway) -> list[str]:
    """Return the fields of all features, such as `features.numeric.price`, sorted."""
    patterns = [f"features.{kind}.*" for kind in (NUMERIC, CATEGORICAL)]
    response = gateway.call(
        "list the logged features",
        lambda client: (
            client.field_caps(
                index=PREDICTIONS.alias, fields=patterns, ignore_unavailable=True, allow_no_indices=True
            ).body
        ),
    )
    return sorted(response["fields"])
