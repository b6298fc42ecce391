"""One meaning of each address, and one line for each text that is none."""

from __future__ import annotations

import pytest

from monitor_agent.errors import SettingsError
from monitor_agent.http_client.address import KIBANA_PORT, mask_credentials, parse_address
from monitor_agent.settings import ElasticsearchSettings, KibanaSettings


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("localhost", "http://localhost:9200"),
        ("localhost:9201", "http://localhost:9201"),
        ("10.0.0.5", "http://10.0.0.5:9200"),
        ("es.example:80", "http://es.example:80"),
        ("https://es.example", "https://es.example:9200"),
        ("https://es.example:443", "https://es.example:443"),
        ("HTTPS://es.example/", "https://es.example:9200"),
        (" http://es.example/search/ ", "http://es.example:9200/search"),
        ("[::1]:9200", "http://[::1]:9200"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]:9200"),
        ("http://bücher.example", "http://xn--bcher-kva.example:9200"),
        ("http://my_host:9200", "http://my_host:9200"),
    ],
)
def test_an_address_has_one_meaning(text: str, url: str) -> None:
    """Without a scheme it is http, without a port it is 9200, as in Logstash."""
    assert parse_address(text, "ELASTICSEARCH_URL").url == url


@pytest.mark.parametrize(
    ("text", "username", "password"),
    [
        ("https://me:p%40ss%2Fw@es", "me", "p@ss/w"),
        ("https://me:p@ss@es", "me", "p@ss"),
        ("https://me:a:b@es", "me", "a:b"),
        ("me:w%C3%B6rt@es:9200", "me", "wört"),
    ],
)
def test_an_address_names_user_and_password(text: str, username: str, password: str) -> None:
    """They are decoded, and the address is shown without them."""
    address = parse_address(text, "ELASTICSEARCH_URL")

    assert (address.username, address.password) == (username, password)
    assert "@" not in address.url
    assert password not in repr(address)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "there is no address"),
        ("  ", "there is no address"),
        ("::1", r"write http://\[::1\]:9200"),
        ("http://::1", r"write http://\[::1\]:9200"),
        ("[::1", "no IPv6 address in the brackets"),
        ("[es]:9200", "no IPv6 address in the brackets"),
        ("http://[fe80::1%eth0]:9200", "an IPv6 address with a zone .%. is not supported"),
        ("fe80::1%25eth0", "an IPv6 address with a zone .%. is not supported"),
        ("http://es:99999", "'99999' is no port: give a number from 1 to 65535"),
        ("http://es:0", "'0' is no port"),
        ("http://es:abc", "'abc' is no port"),
        ("http://es:", "'' is no port"),
        ("http://es:92²0", "is no port"),
        ("ftp://es:9200", "ftp:// is neither http:// nor https://"),
        ("http:/es:9200", "begins neither with http:// nor with https://"),
        ("https:es", "begins neither with http:// nor with https://"),
        ("http://", "there is no host in the address"),
        ("http://:9200", "there is no host in the address"),
        ("'http://es:9200'", "quotation marks around the address: remove them"),
        ("http://es:9200 http://es-2:9200", "a blank in the address: separate several addresses by commas"),
        ("http://es:9200/?pretty", "there is . or # in the address"),
        ("http://es:9200#x", "there is . or # in the address"),
        ("http://me:S3cr/et@es:9200", "write / of a password as %2F"),
        ("http://me:S3cr#et@es:9200", "write . and # of a password"),
        ("http://me@es:9200", "no user with a password"),
        ("http://:S3cret@es:9200", "no user with a password"),
        ("http://me:S3cret%FF@es:9200", "not UTF-8"),
        ("http://me:S3cret@es:99999", "'99999' is no port"),
        ("http://es_!:9200", "is no name of a host"),
        ("http://" + "a" * 70, "is no name of a host"),
    ],
)
def test_a_text_that_is_no_address_is_refused_in_one_line(text: str, problem: str) -> None:
    """The line names the setting and the right form, and no password."""
    with pytest.raises(SettingsError, match=problem) as caught:
        parse_address(text, "ELASTICSEARCH_URL")

    line = str(caught.value)
    assert line.startswith("ELASTICSEARCH_URL")
    assert "\n" not in line
    assert "S3cr" not in line


def test_settings_take_the_user_of_the_address() -> None:
    """All that connects reads the user from the settings; the address itself has it no longer."""
    elasticsearch = ElasticsearchSettings(url=("https://me:S3cret@es-1", "https://me:S3cret@es-2"))
    kibana = KibanaSettings(url="https://me:S3cret@kibana/base")

    assert (elasticsearch.username, elasticsearch.password) == (kibana.username, kibana.password) == ("me", "S3cret")
    assert elasticsearch.url == ("https://es-1:9200", "https://es-2:9200")
    assert kibana.url == f"https://kibana:{KIBANA_PORT}/base"


@pytest.mark.parametrize(
    "changes",
    [
        {"username": "other", "password": "S3cret"},
        {"password": "another"},
        {"api_key": "S3cret-key"},
        {"url": ("https://me:S3cret@es-1", "https://other:S3cret@es-2")},
        {"url": ("http://es",), "ca_certs": "/ca.pem"},
        {"url": ()},
    ],
    ids=["user", "password", "API key", "two users", "http with an authority", "no address"],
)
def test_settings_that_contradict_the_address_are_refused(changes: dict[str, object]) -> None:
    """One line that names the settings, and no secret."""
    stated: dict[str, object] = {"url": ("https://me:S3cret@es-1",), **changes}
    with pytest.raises(SettingsError, match="ELASTICSEARCH_URL") as caught:
        ElasticsearchSettings(**stated)  # type: ignore[arg-type]

    assert "S3cret" not in str(caught.value)


def test_a_text_is_shown_without_the_users_of_its_addresses() -> None:
    """The text may hold several addresses."""
    text = mask_credentials("http://a:S3cret@es-1:9200, https://b:S3cret@es-2 and http://es-3/x@y")

    assert text == "http://***@es-1:9200, https://***@es-2 and http://es-3/x@y"
