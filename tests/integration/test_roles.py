"""Each role can do its job and nothing else, on a real Elasticsearch with security."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from elasticsearch import ApiError, Elasticsearch

from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.roles import ROLES
from monitor_agent.es.cluster_facts import missing_privileges
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.search_outcomes import search_outcomes
from tests.cluster import Cluster
from tests.factories import make_prediction

DAY = "2026.03.02"
PREDICTIONS, LETTERS, METRICS = f"model-predictions-{DAY}", f"model-deadletters-{DAY}", "model-performance-2026.03"
SETTINGS = "model-settings"
STRANGERS = ("model-secrets", "model-predictions-private", "model_performance_of_others", "orders")
TEMPLATE = {"index_patterns": ["orders*"]}
Request = Callable[[Elasticsearch], Any]


def search(index: str) -> Request:
    return lambda client: client.search(index=index)


def index(name: str) -> Request:
    return lambda client: client.index(index=name, document={})


FORBIDDEN: dict[str, Request] = {
    **{f"read {name}": search(name) for name in STRANGERS},
    **{f"write {name}": index(name) for name in STRANGERS},
    "delete strangers' index": lambda client: client.indices.delete(index="orders"),
    "read users": lambda client: client.security.get_user(),
    "read roles": lambda client: client.security.get_role(),
    "create a key": lambda client: client.security.create_api_key(name="key"),
    "change cluster settings": lambda client: client.cluster.put_settings(
        persistent={"cluster.max_shards_per_node": 9}
    ),
    "read the security index": search(".security"),
}
BY_ROLE: dict[str, dict[str, Request]] = {
    "read events": search(PREDICTIONS),
    "read events by the alias": search("model-predictions"),
    "read metrics": search(METRICS),
    "read dead letters": search(LETTERS),
    "create an event": lambda client: client.create(index=PREDICTIONS, id="new", document=make_prediction()),
    "label an event": lambda client: client.update(index=PREDICTIONS, id="one", doc={"outcome": "tp"}),
    "delete an event": lambda client: client.delete(index=PREDICTIONS, id="none"),
    "write metrics": lambda client: client.index(index=METRICS, id="one", document={}),
    "read the settings of models": search(SETTINGS),
    "change the settings of models": lambda client: client.index(index=SETTINGS, id="two", document={}),
    "delete a dead letter": lambda client: client.delete(index=LETTERS, id="none"),
    "refresh events": lambda client: client.indices.refresh(index=PREDICTIONS),
    "delete an expired index": lambda client: client.indices.delete(index="model-predictions-2020.01.01"),
    "put a template": lambda client: client.indices.put_index_template(name="of-a-test", **TEMPLATE),
    "extend a mapping": lambda client: client.indices.put_mapping(index=PREDICTIONS, properties={}),
    "close an index": lambda client: client.indices.put_settings(index=PREDICTIONS, settings={"index.hidden": False}),
}
ALLOWED = {
    # Elasticsearch's privileges `create_doc` and `index` let a user extend a mapping, too.
    "pipeline_writer": {"create an event", "extend a mapping"},
    "monitor_agent": {
        *("read events", "read events by the alias", "read metrics", "read dead letters"),
        *("create an event", "label an event", "write metrics", "delete a dead letter"),
        *("read the settings of models", "refresh events", "delete an expired index", "extend a mapping"),
    },
    "monitor_setup": set(BY_ROLE),
    "analyst": {"read events", "read events by the alias", "read metrics", "read the settings of models"},
    "alert_operator": {"read metrics", "read the settings of models"},
    "deadletter_reader": {"read dead letters"},
}


@pytest.fixture(scope="module")
def filled(installed: Cluster) -> Cluster:
    """Return the cluster with documents of the product and of strangers."""
    installed.clean()
    with installed.client() as admin:
        for name in STRANGERS:
            admin.index(index=name, document={}, refresh=True)
        # Its name fits the pattern of a template, whose alias would open it.
        admin.indices.delete_alias(index="model-predictions-private", name="model-predictions")
        admin.index(index=PREDICTIONS, id="one", document=make_prediction(), refresh=True)
        admin.index(index=LETTERS, id="one", document=DEADLETTERS.sample, refresh=True)
        admin.index(index=METRICS, id="one", document={}, refresh=True)
        admin.index(index=SETTINGS, id="one", document={}, refresh=True)
    return installed


def allows(client: Elasticsearch, request: Request) -> bool:
    """Return whether the user has the privilege for a request, whether or not there is something to do."""
    try:
        request(client)
    except ApiError as error:
        return error.meta.status != 403
    return True


@pytest.mark.parametrize("role", ROLES)
def test_a_role_can_do_its_job_and_nothing_else(filled: Cluster, role: str) -> None:
    """Strangers' indices, users and settings are closed to all; each right of the product belongs to named roles."""
    with filled.client(role) as client:
        strange = {name for name, request in FORBIDDEN.items() if allows(client, request)}
        granted = {name for name, request in BY_ROLE.items() if allows(client, request)}
        hits = client.options(ignore_status=403).search(index="*", size=100).body.get("hits", {"hits": []})["hits"]
        lacking = missing_privileges(Gateway(client), ROLES[role])

    assert strange == set()
    assert granted == ALLOWED[role]
    assert not {hit["_index"] for hit in hits} & set(STRANGERS)
    assert lacking == (role, [])


@pytest.mark.parametrize(
    ("user", "closed"),
    [
        ("analyst", {"model-deadletters": "deadletter_reader"}),
        ("deadletter_reader", {"model-predictions": "analyst", "model_performance": "analyst"}),
        ("viewer", {}),
    ],
)
def test_a_panel_says_which_right_is_missing(filled: Cluster, user: str, closed: dict[str, str]) -> None:
    """Elasticsearch leaves out what a user may not read: such a panel names the role, and never shows zero."""
    panels = {
        "model-deadletters": "model-deadletters-*",
        "model-predictions": "model-predictions-*,model-feedback-*,model-errors-*",
        "model_performance": "model-performance-*",
    }
    with filled.client(user) as client:
        outcomes = search_outcomes(Gateway(client), [(index, {}) for index in panels.values()])

    results = dict(zip(panels, outcomes, strict=True))
    assert {name: str(results[name]) for name in closed} == {
        name: f"the user {user} lacks the privilege read on {name}: give the user the role {role}"
        for name, role in closed.items()
    }
    for name in panels.keys() - closed.keys():
        outcome = results[name]
        assert isinstance(outcome, dict)
        assert outcome["hits"]["hits"]
