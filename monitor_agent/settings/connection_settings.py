"""The settings of the connections to Elasticsearch and to Kibana."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from monitor_agent.errors import SettingsError
from monitor_agent.http_client.address import KIBANA_PORT, HttpAddress, parse_address
from monitor_agent.product_files import KIBANA
from monitor_agent.settings.setting_info import setting


@dataclass(frozen=True)
class ElasticsearchSettings:
    """The connection to Elasticsearch of the agent and all commands."""

    url: tuple[str, ...] = setting(
        ("http://127.0.0.1:9200",),
        "ELASTICSEARCH_URL",
        "address, or several addresses separated by commas: `https://host:9200`, or `https://user:password@host:9200`; "
        "without a scheme it is http, without a port it is 9200",
    )
    username: str = setting("", "ELASTICSEARCH_USERNAME", "user of basic authentication")
    password: str = setting("", "ELASTICSEARCH_PASSWORD", "password of that user", secret=True)
    api_key: str = setting("", "ELASTICSEARCH_API_KEY", "API key (encoded), instead of user and password", secret=True)
    ca_certs: str = setting("", "ELASTICSEARCH_CA_CERTS", "file with the certificate authority, for https")
    request_timeout: timedelta = setting(
        timedelta(seconds=30), "ELASTICSEARCH_REQUEST_TIMEOUT", "longest wait for an answer"
    )

    url_names_user = False
    """Whether user and password come from an address: then they are the pipeline's, too. It is no setting."""

    def __post_init__(self) -> None:
        """Give each address its one form; take user and password out of the addresses."""
        variable = "ELASTICSEARCH_URL"
        addresses = [parse_address(text, variable) for text in self.url]
        if not addresses:
            raise SettingsError(f"{variable} is empty", "write http://host:9200 or https://host:9200")
        _use_addresses(self, "ELASTICSEARCH", addresses)
        object.__setattr__(self, "url", tuple(address.url for address in addresses))
        object.__setattr__(self, "url_names_user", any(address.username for address in addresses))


@dataclass(frozen=True)
class KibanaSettings:
    """The connection to Kibana; only `kibana import`, `kibana export` and `setup --kibana` need it."""

    url: str = setting(
        "http://127.0.0.1:5601",
        "KIBANA_URL",
        "address, with the base path if Kibana has one; without a scheme it is http, without a port it is 5601",
    )
    space: str = setting("", "KIBANA_SPACE", "space of the objects; empty = the default space")
    username: str = setting("", "KIBANA_USERNAME", "user of basic authentication")
    password: str = setting("", "KIBANA_PASSWORD", "password of that user", secret=True)
    api_key: str = setting("", "KIBANA_API_KEY", "API key (encoded), instead of user and password", secret=True)
    ca_certs: str = setting("", "KIBANA_CA_CERTS", "file with the certificate authority, for https")
    request_timeout: timedelta = setting(timedelta(seconds=60), "KIBANA_REQUEST_TIMEOUT", "longest wait for an answer")
    folder: str = setting(
        "",
        "KIBANA_FOLDER",
        "folder of the saved objects, watches and rules; empty = the folder that comes with the product "
        "(`monitor-agent kibana files` copies it)",
    )

    def __post_init__(self) -> None:
        """Give the address its one form; take user and password out of it. Name the folder if the setting does not."""
        address = parse_address(self.url, "KIBANA_URL", KIBANA_PORT)
        _use_addresses(self, "KIBANA", [address])
        object.__setattr__(self, "url", address.url)
        object.__setattr__(self, "folder", self.folder or str(KIBANA))


def _use_addresses(
    section: ElasticsearchSettings | KibanaSettings, prefix: str, addresses: Sequence[HttpAddress]
) -> None:
    """Let a section have the user that its addresses name.

    Raises
    ------
    SettingsError
        If addresses and settings name different users, or there is a certificate authority and no https.
    """
    if section.ca_certs and all(address.scheme == "http" for address in addresses):
        raise SettingsError(
            f"{prefix}_CA_CERTS is set, and {prefix}_URL={addresses[0].url} begins with http://",
            f"write https:// in {prefix}_URL, or remove {prefix}_CA_CERTS",
        )
    users = {(address.username, address.password) for address in addresses if address.username}
    if not users:
        return
    stated = {(section.username, section.password)} if section.username or section.password else set()
    if len(users | stated) > 1 or section.api_key:
        raise SettingsError(
            f"{prefix}_URL names a user, and another address or setting names another one",
            f"name one user: in {prefix}_URL, or in {prefix}_USERNAME and {prefix}_PASSWORD, or by {prefix}_API_KEY",
        )
    username, password = users.pop()
    object.__setattr__(section, "username", username)
    object.__setattr__(section, "password", password)
