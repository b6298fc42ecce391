"""Ordinary clients, and Logstash, talk to the embedded Elasticsearch as to any other one."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
from urllib.parse import urlsplit

import elasticsearch as client_library
import pytest

from monitor_agent.http_client.authorization import authorization_headers
from tests.cluster import Cluster
from tests.scripted_node import received, received_until

COMPATIBLE = "application/vnd.elasticsearch+json;compatible-with=8"
INDEX = "model-predictions-2025.01.01"


def connection_to(cluster: Cluster) -> http.client.HTTPConnection:
    """Return a connection that lasts for several requests."""
    address = urlsplit(cluster.url)
    return http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)


def credentials(cluster: Cluster, user: str) -> dict[str, str]:
    """Return the header of a user."""
    return authorization_headers(user, cluster.users[user])


def fetch(
    cluster: Cluster, method: str, target: str, headers: dict[str, str] | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Return status, headers and content of an answer."""
    connection = connection_to(cluster)
    try:
        connection.request(method, target, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("user", ["admin", "pipeline_writer", "monitor_agent", "analyst"])
def test_the_client_library_gets_the_cluster(elasticsearch: Cluster, user: str) -> None:
    """`info()` and `ping()` work for every role; the id is the cluster's."""
    client = elasticsearch.client(user)
    assert client.ping()
    info = client.info()
    assert info["tagline"] == "You Know, for Search"
    assert info["version"]["number"] == elasticsearch.version
    assert info["version"]["build_flavor"] == "default"
    state = elasticsearch.client().cluster.state(metric="version")
    assert (info["cluster_name"], info["cluster_uuid"]) == (state["cluster_name"], state["cluster_uuid"])
    (node,) = client.nodes.info()["nodes"].values()
    assert (info["name"], info["version"]["build_hash"]) == (node["name"], node["build_hash"])
    assert node["http"]["publish_address"] == urlsplit(elasticsearch.url).netloc


def test_wrong_credentials_are_refused_by_the_node(elasticsearch: Cluster) -> None:
    """The answer is 401 with the ways to log in; a client reports it as such."""
    for headers in ({}, authorization_headers("admin", "wrong"), {"Authorization": "ApiKey bm86bm8="}):
        status, answer, body = fetch(elasticsearch, "GET", "/", headers)
        assert status == 401
        assert "ApiKey" in answer.get_all("WWW-Authenticate", [])
        assert json.loads(body)["error"]["type"] == "security_exception"
        status, _, body = fetch(elasticsearch, "HEAD", "/", headers)
        assert (status, body) == (401, b"")
    with pytest.raises(client_library.AuthenticationException):
        client_library.Elasticsearch(elasticsearch.url, basic_auth=("admin", "wrong")).info()


def test_the_parameters_of_the_root_are_those_of_elasticsearch(elasticsearch: Cluster) -> None:
    """`pretty`, `filter_path`, an unknown parameter, and `HEAD`, whose answer has the same headers and no content."""
    admin = credentials(elasticsearch, "admin")
    status, answer, body = fetch(elasticsearch, "GET", "/?pretty", admin)
    assert status == 200
    assert body.startswith(b'{\n  "name" : "')
    assert body.endswith(b'"\n}\n')
    assert answer["X-elastic-product"] == "Elasticsearch"
    assert answer["Content-Type"] == "application/json"
    head = fetch(elasticsearch, "HEAD", "/", admin)
    assert (head[0], head[1].items(), head[2]) == (200, answer.items(), b"")
    number = fetch(elasticsearch, "GET", "/?filter_path=version.number&pretty=false", admin)[2]
    assert number == f'{{"version":{{"number":"{elasticsearch.version}"}}}}'.encode()
    status, _, body = fetch(elasticsearch, "GET", "/?size=1", admin)
    assert status == 400
    assert json.loads(body)["error"]["reason"] == "request [/] contains unrecognized parameter: [size]"


def test_the_headers_of_the_root_are_those_of_elasticsearch(elasticsearch: Cluster) -> None:
    """Media types, compression and the id of the request are answered as in any other answer."""
    headers = {"Accept": COMPATIBLE, "Accept-Encoding": "gzip", "X-Opaque-Id": "7"}
    _, answer, body = fetch(elasticsearch, "GET", "/", credentials(elasticsearch, "admin") | headers)
    assert (answer["Content-Type"], answer["Content-Encoding"]) == (COMPATIBLE, "gzip")
    assert answer["X-Opaque-Id"] == "7"
    assert json.loads(gzip.decompress(body))["version"]["number"] == elasticsearch.version
    refused = {"Accept": "application/vnd.elasticsearch+json;compatible-with=6"}
    assert fetch(elasticsearch, "GET", "/", credentials(elasticsearch, "admin") | refused)[0] == 400


def test_requests_of_logstash_work_in_its_order(clean_indices: Cluster) -> None:
    """Logstash asks for the root and the license, then sends compressed bulks, all on one connection."""
    clean_indices.client().indices.create(index=INDEX)
    writer = credentials(clean_indices, "pipeline_writer")
    connection = connection_to(clean_indices)
    for method, target in (("HEAD", "/"), ("GET", "/"), ("GET", "/_license")):
        connection.request(method, target, headers=writer)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200
        if target == "/_license":
            assert json.loads(content)["license"]["status"] == "active"
    actions = [{"create": {"_index": INDEX, "_id": "a"}}, {"message": "x"}]
    bulk = gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in actions))
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json", "Connection": "Keep-Alive"}
    for status in (201, 409):
        target = "/_bulk?filter_path=errors,items.*.error,items.*.status"
        connection.request("POST", target, iter([bulk[:20], bulk[20:]]), writer | headers, encode_chunked=True)
        item = json.loads(connection.getresponse().read())["items"][0]["create"]
        assert item["status"] == status
    connection.close()


def test_pipelined_requests_are_answered_in_their_order(elasticsearch: Cluster) -> None:
    """Several requests in one packet, some of them for the root."""
    authorization = credentials(elasticsearch, "admin")["Authorization"]
    targets = [
        "/_cluster/health",
        "/",
        "/_license",
        "/?filter_path=tagline",
        "/",
        "/_security/_authenticate",
        "/_no/such",
    ]
    requests = "".join(f"GET {target} HTTP/1.1\r\nAuthorization: {authorization}\r\n\r\n" for target in targets)
    last = f"GET / HTTP/1.1\r\nAuthorization: {authorization}\r\nConnection: close\r\n\r\n"
    address = urlsplit(elasticsearch.url)
    with socket.create_connection((address.hostname or "", address.port or 0), 30) as connection:
        connection.sendall((requests + last).encode())
        bodies = []
        for _ in targets:
            head = received_until(connection, b"\r\n\r\n")
            size = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            bodies.append(received(connection, int(size.partition(b":")[2])))
        rest = received(connection)
    marks = [b'"timed_out"', b'"tagline"', b'"license"', b'"tagline"', b'"tagline"', b'"username"', b'"error"']
    assert [mark in body for mark, body in zip(marks, bodies, strict=True)] == [True] * len(marks)
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_body_over_the_limit_of_the_node_is_refused_clearly(elasticsearch: Cluster) -> None:
    """The node's own 413 arrives, though it comes before the end of the body."""
    connection = connection_to(elasticsearch)
    headers = {"Content-Type": "application/json", "Expect": "100-continue", "Content-Length": str(101 << 20)}
    connection.request("POST", "/_bulk", None, credentials(elasticsearch, "admin") | headers)
    assert connection.getresponse().status == 413
    connection.close()
