"""Which product answers, and in which version: Elasticsearch and Kibana 8.19 or newer are needed (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

OLDEST_VERSION = (8, 19)
NEWEST_MAJOR = 9
"""The newest major version that is tested; newer ones are not refused."""
UPGRADE = "upgrade it to 8.19 or to 9"
_LONGEST_VERSION = 40


def version_numbers(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version.

    >>> version_numbers("8.19.0-SNAPSHOT"), version_numbers("")
    ((8, 19), ())
    """
    return tuple(int(number) for number in re.findall(r"[0-9]{1,9}", version)[:2])


def is_too_old(version: str) -> bool:
    """Return whether a version of Elasticsearch or Kibana is older than the product needs.

    >>> is_too_old("8.18.8"), is_too_old("8.19.0"), is_too_old("10.0.0")
    (True, False, False)
    """
    return version_numbers(version) < OLDEST_VERSION


def wrong_elasticsearch(document: Any, url: str) -> tuple[str, str]:
    """Return why a server cannot be used, and what to do; two empty texts if it can be, or if it does not say.

    Parameters
    ----------
    document : the answer to `GET /`.
    url : the address of the server, without user and password.

    >>> wrong_elasticsearch({"version": {"number": "7.17.3"}}, "http://es-1:9200")[0]
    'Elasticsearch 8.19 or newer is needed, this is 7.17.3 at http://es-1:9200'
    """
    stated = document.get("version") if isinstance(document, Mapping) else None
    if not isinstance(stated, Mapping) or not isinstance(stated.get("number"), str):
        return "", ""
    number, product = version_text(stated["number"]), _other_product(document, stated)
    if not product and not is_too_old(number):
        return "", ""
    needed = f"Elasticsearch 8.19 or newer is needed, this is {f'{product} ' if product else ''}{number} at {url}"
    return needed, "set ELASTICSEARCH_URL to an Elasticsearch" if product else UPGRADE


def version_text(version: str) -> str:
    """Return a version that a server states, as a message writes it.

    >>> version_text("8.19.0"), version_text("8.<b>19</b> 0")
    ('8.19.0', '8.b19b0')
    """
    return re.sub(r"[^A-Za-z0-9.+_-]", "", version)[:_LONGEST_VERSION]


def _other_product(document: Mapping[str, Any], stated: Mapping[str, Any]) -> str:
    """Return the name of a product that is not Elasticsearch but answers like it; empty if there is none."""
    distribution = str(stated.get("distribution") or "")
    if "opensearch" in f"{distribution} {document.get('tagline')}".lower():
        return "OpenSearch"
    if stated.get("build_flavor") == "serverless":
        return "Elasticsearch Serverless"
    return version_text(distribution)
