"""How the program itself runs: its heartbeat, its server, its way out, its memory, its log."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from monitor.settings.fields import Interval, Name, Section, Url, problem, without
from monitor.settings.secret import SecretSource, UrlSource
from monitor.settings.url import DAEMON, is_host, url_problem


class Heartbeat(Section):
    """A dead man's switch elsewhere, pinged only while checking and telling both work."""

    url: UrlSource | None = None
    """What is pinged; null: nothing."""
    every: Interval = 60.0
    """How often."""


def _host(text: str) -> str:
    if not is_host(text):
        raise problem(
            "host", "is not an address to listen on; allowed: 127.0.0.1, 0.0.0.0, ::, or a host name, without port"
        )
    return text


class Server(Section):
    """The status page, the metrics and the API."""

    host: Annotated[Name, AfterValidator(_host)] = "127.0.0.1"
    """The address it listens on; 0.0.0.0: all."""
    port: Annotated[int, Field(ge=0, le=65535)] = 9797
    """The port it listens on; 0: any free one."""
    external_url: Annotated[Url, without(DAEMON)] | None = None
    """How people reach it: the root of all links in messages; null: no links."""
    admin_token: SecretSource | None = None
    """What changes something needs it; null: nothing can be changed."""
    read_token: SecretSource | None = None
    """What shows something needs it; null: open."""
    tls_cert: Name | None = None
    """A file with the certificate chain in PEM; null: plain HTTP."""
    tls_key: Name | None = None
    """A file with its key in PEM; null: it is in `tls_cert`."""


def _proxy(text: str) -> str:
    if url_problem(text, login=True):
        raise problem("proxy", "is not the URL of a proxy; allowed: http://host:port")
    return text


class Http(Section):
    """How remote services are asked."""

    ca_file: Name | None = None
    """A file with more certificates to trust, in PEM; null: those of the system."""
    proxy: Annotated[Name, AfterValidator(_proxy)] | None = Field(default=None, repr=False)
    """The proxy; null: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY. Loopback never goes by a proxy."""
    no_proxy: Name | None = None
    """Hosts that are asked without the proxy, separated by commas or blanks."""
    deny_link_local: bool = True
    """Never connect to link-local addresses, where clouds keep their metadata."""
    allow_http: bool = False
    """Allow tokens to be sent without TLS."""


class State(Section):
    """What is remembered over restarts."""

    path: Name = "./trace-monitor.db"
    """The file."""
    keep_history: Interval = 30 * 86400.0
    """How long closed incidents and judged canaries are kept."""


class Log(Section):
    """The log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe that is written."""
    format: Literal["auto", "text", "json"] = "auto"
    """auto: text on a terminal, JSON otherwise."""
