"""Wrong set-ups, one row each: what is set, what a user runs, and the row of `monitor-agent check` that finds it.

Texts in braces are places that `tests.integration.wrong_places` makes, such as `{closed}`, a port where nobody listens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CLOSED = "http://127.0.0.1:{closed}"
USERS = ("{cluster}", "monitor_agent")


@dataclass(frozen=True)
class WrongSetup:
    """A wrong set-up.

    Attributes
    ----------
    environ : what is set, beyond an environment in which all is well but for an Elasticsearch that is not running.
    command : what the user runs; the first word may be `model-server`. Empty = no command fails.
    check : the row of `monitor-agent check` that finds it.
    shown_as : the set-up in words; empty = the variables with their values.
    runs : the command that is missing in that row, if the row lists what the user may run and is `ok`.
    user : the user of the cluster of the test; empty = the set-up does not reach it.
    lacking : modules that are not installed.
    files : content by file name, in the folder `{folder}`.
    free_mib : free space of the disks, MiB; None = as it is.
    """

    command: str
    check: str
    environ: Mapping[str, str] = field(default_factory=dict)
    shown_as: str = ""
    user: str = ""
    runs: str = ""
    lacking: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    free_mib: int | None = None

    @property
    def title(self) -> str:
        """Return the set-up for the page, as Markdown with places in braces."""
        values = ", ".join(f"`{name}={value}`" for name, value in self.environ.items())
        return self.shown_as or values


def _address(value: str, check: str = "settings", **more: str) -> WrongSetup:
    return WrongSetup("alerts", check, {"ELASTICSEARCH_URL": value, **more})


def _tls(place: str, shown_as: str, **environ: str) -> WrongSetup:
    environ = {"ELASTICSEARCH_URL": f"https://localhost:{{{place}}}", **environ}
    return WrongSetup("alerts", "TLS", environ, shown_as)


def _page(place: str, shown_as: str) -> WrongSetup:
    return WrongSetup("alerts", "Elasticsearch", {"ELASTICSEARCH_URL": f"http://127.0.0.1:{{{place}}}"}, shown_as)


def _user(command: str, user: str, check: str, shown_as: str, **environ: str) -> WrongSetup:
    return WrongSetup(command, check, environ, shown_as, user=user)


def _settings_file(content: str, shown_as: str) -> WrongSetup:
    name = "monitor.toml"
    return WrongSetup(
        "alerts", "settings", {"MONITOR_CONFIG": "{folder}/monitor.toml"}, shown_as, files={name: content}
    )


def _server(command: str, check: str, **environ: str) -> WrongSetup:
    return WrongSetup(command, check, environ)


ADDRESSES = (
    _address(CLOSED.removeprefix("http://"), "Elasticsearch"),
    _address(""),
    _address("http://es-1:92000"),
    _address("http://es-1:port"),
    _address("ftp://es-1:9200"),
    _address("http:/es-1:9200"),
    _address("::1"),
    _address("[::1:9200"),
    _address("http://es-1:9200 http://es-2:9200"),
    _address("'http://es-1:9200'"),
    _address("https://es-1:9200/?pretty"),
    _address("https://elastic@es-1:9200"),
    _address("https://elastic:pass/word@es-1:9200"),
    _address(
        "https://elastic:password@es-1:9200", ELASTICSEARCH_USERNAME="monitor_agent", ELASTICSEARCH_PASSWORD="..."
    ),
    _address("http://es-1:9200", ELASTICSEARCH_CA_CERTS="ca.pem"),
    WrongSetup("kibana export", "settings", {"KIBANA_URL": "ftp://kibana:5601"}),
)
CERTIFICATES = (
    WrongSetup(
        "alerts",
        "TLS",
        {"ELASTICSEARCH_URL": "https://127.0.0.1:{page_404}"},
        "`https://`, and the server speaks plain HTTP",
    ),
    _page("trusted", "`http://`, and the server speaks TLS"),
    _tls("trusted", "the server's authority is not one of the system's"),
    _tls("trusted", "`ELASTICSEARCH_CA_CERTS` names another authority", ELASTICSEARCH_CA_CERTS="{other_authority}"),
    _tls("self_signed", "the certificate is self-signed"),
    _tls("expired", "the certificate has expired", ELASTICSEARCH_CA_CERTS="{authority}"),
    _tls("other_name", "the certificate is for another name", ELASTICSEARCH_CA_CERTS="{authority}"),
    _tls("trusted", "the file of the authority is missing", ELASTICSEARCH_CA_CERTS="{folder}/none.pem"),
    _tls("trusted", "the file of the authority is empty", ELASTICSEARCH_CA_CERTS="{empty}"),
    _tls("trusted", "the file of the authority is not PEM", ELASTICSEARCH_CA_CERTS="{text}"),
    _tls("trusted", "the file of the authority holds a key", ELASTICSEARCH_CA_CERTS="{key}"),
)
CLUSTERS = (
    _user("alerts", "monitor_agent", "Elasticsearch", "the password is wrong", ELASTICSEARCH_PASSWORD="wrong password"),
    _user("alerts", "", "Elasticsearch", "no user is set", ELASTICSEARCH_URL="{cluster}"),
    WrongSetup(
        "setup", "user of the agent", shown_as="`setup` as the user of the agent", user="monitor_agent", runs="setup"
    ),
    _user("setup", "analyst", "user of the agent", "`setup` as `analyst`"),
    _user("once", "analyst", "user of the agent", "the agent runs as `analyst`"),
    _user("alerts", "pipeline_writer", "user of the agent", "a reader uses the user of the pipeline"),
    _user(
        "",
        "monitor_agent",
        "user of the pipeline",
        "the pipeline writes as the user of the agent with a wrong password",
        PIPELINE_USERNAME="pipeline_writer",
        PIPELINE_PASSWORD="wrong password",
    ),
    WrongSetup(
        "once", "index templates", {"ELASTICSEARCH_URL": "{unprepared}"}, "`setup` has not run", user="monitor_agent"
    ),
    WrongSetup("", "clock", {"ELASTICSEARCH_URL": "{late}"}, "the clock is ten minutes ahead", user="monitor_agent"),
    _page("version_7", "Elasticsearch 7.17"),
    _page("version_8_10", "Elasticsearch 8.10"),
    _page("opensearch", "OpenSearch"),
)
PROXIES = (
    _page("page_302", "a proxy redirects to a login page (302)"),
    _page("page_403", "a proxy forbids the address (403)"),
    _page("page_404", "another server is at the address (404)"),
    _page("page_407", "a proxy wants a login (407)"),
    _page("page_503", "a proxy cannot reach Elasticsearch (503)"),
    _page("page_200", "a login page (200)"),
    WrongSetup(
        "kibana export",
        "Kibana",
        {"HTTP_PROXY": CLOSED, "KIBANA_URL": "http://kibana.example.org:5601"},
    ),
    WrongSetup(
        "kibana export",
        "proxies",
        {"HTTP_PROXY": "socks5://proxy.example.org:1080", "KIBANA_URL": "http://kibana.example.org:5601"},
    ),
)
KIBANA = (
    WrongSetup("kibana export", "Kibana", {"KIBANA_URL": CLOSED}, "Kibana does not run"),
    WrongSetup(
        "kibana export",
        "Kibana",
        {"KIBANA_URL": "{kibana}", "KIBANA_USERNAME": "elastic", "KIBANA_PASSWORD": "wrong password"},
        "the password for Kibana is wrong",
    ),
    WrongSetup(
        "kibana export", "Kibana", {"KIBANA_URL": "http://127.0.0.1:{not_ready}"}, "Kibana is not ready yet (503)"
    ),
    WrongSetup("kibana export", "Kibana", {"KIBANA_URL": "http://127.0.0.1:{page_404}"}, "another server (404)"),
)
SETTINGS = (
    WrongSetup("alerts", "settings", {"MONITOR_PERIOD": "soon"}),
    WrongSetup("alerts", "settings", {"MODEL_SERVER_PORT": "http"}),
    WrongSetup("alerts", "settings", {"MONITOR_FEEDBACK_TYPE": "clicks"}),
    WrongSetup("once", "settings", {"MONITOR_ATTRIBUTION_WINDOW": "60d", "MONITOR_RETENTION_EVENTS": "30d"}),
    WrongSetup("alerts", "settings", {"MONITOR_BASE_WINDOW": "7m"}),
    WrongSetup("alerts", "settings", {"MONITOR_TIME_ZONE": "Europe/Nowhere"}),
    WrongSetup("", "names of settings", {"MONITOR_PERIOT": "1m"}),
    WrongSetup("alerts", "settings", {"MONITOR_CONFIG": "{folder}/none.toml"}),
    _settings_file("[agnet]\n", "the settings file has the table `[agnet]`"),
    _settings_file("[agent]\nperiot = '1m'\n", "the settings file has the key `periot`"),
    _settings_file("[agent]\nperiod = 60\n", "the settings file has `period = 60`"),
    _settings_file("[agent\n", "the settings file is not TOML"),
    _settings_file("# caf\udce9\n", "the settings file is not UTF-8"),
    WrongSetup("run", "windows of alerts", {"MONITOR_ALERTS": "{text}"}, "the file of alerts is not TOML"),
)
SERVERS = (
    _server("model-server", "port of the model server", MODEL_SERVER_PORT="{occupied}"),
    _server("dashboards", "port of dashboards", DASHBOARDS_PORT="{occupied}"),
    _server("run", "port of the agent", MONITOR_HEALTH_PORT="{occupied}"),
    _server(
        "pipeline run",
        "port of the pipeline",
        MODEL_LOG_DIR="{empty_folder}",
        PIPELINE_USERNAME="pipeline_writer",
        PIPELINE_PASSWORD="...",
        PIPELINE_HTTP="on",
        PIPELINE_HTTP_USERNAME="shop",
        PIPELINE_HTTP_PASSWORD="...",
        PIPELINE_HTTP_PORT="{occupied}",
    ),
    _server("stack up", "port of Elasticsearch", STACK_HTTP_PORT="{occupied}"),
    _server("model-server", "settings", MODEL_SERVER_TLS_CERT="tls.crt"),
    _server("dashboards", "viewer", DASHBOARDS_TLS_CERT="{folder}/none.crt", DASHBOARDS_TLS_KEY="{key}"),
    _server("dashboards", "viewer", DASHBOARDS_TLS_CERT="{certificate}", DASHBOARDS_TLS_KEY="{text}"),
    _server("run", "health page", MONITOR_HEALTH_TLS_CERT="{certificate}", MONITOR_HEALTH_TLS_KEY="{other_key}"),
    _server("dashboards", "viewer", DASHBOARDS_HOST="0.0.0.0", REQUIRE_AUTH="true"),
    _server("model-server", "model server", MODEL_SERVER_HOST="0.0.0.0", REQUIRE_AUTH="true"),
    _server("model-server", "limits of model server", MODEL_SERVER_THREADS="0"),
    _server("model-server", "API keys", MODEL_SERVER_API_KEYS="{folder}/none.json"),
    _server("model-server", "API keys", MODEL_SERVER_API_KEYS="{text}"),
)
FOLDERS = (
    _server("model-server", "model", MODEL_SERVER_MODEL_DIR="{folder}/none"),
    _server("model-server", "model", MODEL_SERVER_MODEL_DIR="{empty_folder}"),
    _server("model-server", "model", MODEL_SERVER_MODEL_DIR="{text}"),
    _server("model-server", "model", MODEL_SERVER_MODEL_DIR="{model}", MODEL_SERVER_MODEL_VERSION="7"),
    _server("model-server", "model", MODEL_SERVER_MODEL_DIR="{wrong_model}"),
    _server("model-server", "folders", MODEL_LOG_DIR="{text}"),
    WrongSetup(
        "pipeline run",
        "folders",
        {"PIPELINE_DATA_DIR": "{text}", "PIPELINE_USERNAME": "pipeline_writer", "PIPELINE_PASSWORD": "..."},
    ),
    _server("stack up", "folders", STACK_DATA_DIR="{text}"),
    WrongSetup("up", "disk space", shown_as="the disk has 100 MiB left", free_mib=100),
    WrongSetup(
        "pipeline check",
        "pipeline configuration",
        {"PIPELINE_CONFIG": "{folder}/pipeline.conf"},
        "a brace is missing in the pipeline's configuration",
        files={"pipeline.conf": "input { stdin { }\noutput { stdout { } }\n"},
    ),
    WrongSetup(
        "pipeline run",
        "pipeline configuration",
        {"PIPELINE_CONFIG": "{folder}/none"},
        "there is no configuration of the pipeline",
    ),
    _server("stack up", "Java", ELASTIC_VERSION="8.10.0"),
    _server("", "Java", ES_JAVA_HOME="{empty_folder}"),
)
EXTRAS = (
    WrongSetup("pipeline run", "extra embedded", shown_as="without the extra `embedded`", lacking=("lark",)),
    WrongSetup(
        "dashboards", "extra embedded", shown_as="without the extra `embedded`", lacking=("vl_convert", "flask")
    ),
    WrongSetup("report --out report.png", "extra embedded", shown_as="without `embedded`", lacking=("vl_convert",)),
    WrongSetup("model-server", "extra server", shown_as="without the extra `server`", lacking=("tensorflow",)),
    WrongSetup(
        "up",
        "extra server",
        shown_as="without `embedded` and `server`",
        lacking=("lark", "tensorflow", "tensorflow_text"),
    ),
    WrongSetup(
        "model-server train --data clicks.csv --out var/model",
        "extra train",
        shown_as="without the extra `train`",
        lacking=("tensorflow_hub", "tf_keras"),
    ),
)
GROUPS: Mapping[str, tuple[WrongSetup, ...]] = {
    "Addresses": ADDRESSES,
    "Certificates": CERTIFICATES,
    "Users and clusters": CLUSTERS,
    "Proxies and other servers": PROXIES,
    "Kibana": KIBANA,
    "Settings": SETTINGS,
    "Servers": SERVERS,
    "Folders, models, the pipeline and Java": FOLDERS,
    "Packages": EXTRAS,
}
"""The tables of the page, in order."""
