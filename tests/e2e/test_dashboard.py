"""Every query of the shipped dashboard, sent to a real Prometheus that has scraped the daemon during an incident, returns data."""

import base64
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from tests.e2e.grafana import Grafana, links, load, queries
from tests.e2e.harness import (
    ROOT,
    SandboxProcess,
    daemon_running,
    prometheus_running,
    sandbox_running,
)
from tools.processes import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SHIPPED = ROOT / "deploy" / "prometheus"
DOCUMENT = load()
A_MONTH = 30 * 86400
QUICK = {
    "config": {"every": 1, "every_while_failing": 1},
    "gateway": {"every": 1, "every_while_failing": 1},
    "canary": {"every": 3, "every_while_failing": 3, "max_per_day": 40_000, "max_tokens_per_day": 4_000_000},
    "arrival": {"look_closer_after": 3, "late_after": 6, "missing_after": 9, "settle": 18},
    "volume": {"enabled": True, "every": 4, "delay": 6, "min_ratio": 0.5, "min_requests": 5},
}


@contextmanager
def tls_in_front_of(url: str, *, token: str) -> Iterator[tuple[str, str]]:
    """The same service with a certificate, for whoever trusts its authority; every caller's token becomes the one that it knows.

    Yields its address and the authority, in PEM.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))) or None
            passed = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}}
            passed["Authorization"] = f"Bearer {token}"
            request = urllib.request.Request(url + self.path, body, passed, method=self.command)  # noqa: S310 - loopback
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
                    status, kind, content = answer.status, answer.headers["Content-Type"], answer.read()
            except urllib.error.HTTPError as error:
                status, kind, content = error.code, error.headers["Content-Type"], error.read()
            self.send_response(status)
            self.send_header("Content-Type", kind or "text/plain")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - as http.server wants it

        def log_message(self, *_: object) -> None:
            return

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}", authority.cert_pem.bytes().decode()
        server.shutdown()
        thread.join()


def token_that_shows_its_expiry(at: float) -> str:
    """A JWT, as far as the monitor looks at it."""
    parts = ({"alg": "none"}, {"exp": int(at)})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".x"


@pytest.fixture(scope="module")
def sandbox(directory: Path) -> Iterator[SandboxProcess]:
    """The sandbox, in a twentieth of the real time, with requests of others to count."""
    with sandbox_running(directory, "--time-factor", "0.05", "--traffic", "5x3x2000") as process:
        yield process


@pytest.fixture(scope="module")
def prometheus(sandbox: SandboxProcess, directory: Path) -> Iterator[str]:
    """Prometheus with the shipped scrape configuration and rules, only faster, and a daemon with everything that has a panel."""
    configuration = sandbox.configuration()
    demo = configuration["targets"]["demo"]
    plane = demo["control_plane"]
    with tls_in_front_of(plane["url"], token=plane["token"]) as (url, authority):
        (directory / "ca.pem").write_text(authority)
        demo["control_plane"] = {"url": url, "token": token_that_shows_its_expiry(time.time() + A_MONTH)}
        demo["checks"] = QUICK
        configuration["http"] = {"ca_file": str(directory / "ca.pem")}
        configuration["heartbeat"] = {"url": f"{sandbox.control_url}/state", "every": "1s"}  # whoever answers a GET
        with daemon_running(directory, configuration) as daemon:
            scraping: dict[str, Any] = yaml.safe_load((SHIPPED / "scrape.yml").read_text())
            scraping["global"]["evaluation_interval"] = "1s"
            rules = (SHIPPED / "rules.yml").read_text()
            (directory / "rules.yml").write_text(rules.replace("interval: 1m", "interval: 1s").replace(":1h]", ":1s]"))
            scraping["rule_files"] = [str(directory / "rules.yml")]
            (scrape,) = scraping["scrape_configs"]
            scrape.update(scrape_interval="1s", scrape_timeout="1s")
            scrape["static_configs"] = [{"targets": [daemon.removeprefix("http://")]}]
            with prometheus_running(directory, scraping) as prometheus:
                yield prometheus


@pytest.fixture(scope="module")
def grafana(prometheus: str) -> Grafana:
    """The dashboard, opened as soon as a trace has arrived and all is well."""
    opened = Grafana(prometheus=prometheus, since=time.time())
    opened.values["datasource"] = "prometheus"
    ready = "trace_monitor_traces_total{outcome='arrived'} > 1 and on () sum(trace_monitor_check_verdict{verdict='pass'}) == 6"
    wait_until(lambda: opened.result(ready), within=60, what="a healthy target in Prometheus")
    for variable in DOCUMENT["templating"]["list"]:
        if variable["type"] == "query":
            opened.choose(variable)
    assert opened.values["target"] == "demo"
    return opened


def test_nothing_is_red_while_all_is_well(grafana: Grafana) -> None:
    """No figure, bar or cell of a healthy target is red or orange, whichever way it gets its colour."""
    shown = [asked for asked in queries(DOCUMENT) if asked.panel["type"] in {"stat", "bargauge", "table"}]
    colors = {
        (asked.name, asked.color_of(value)): value
        for asked in shown
        for _, values in grafana.ask(asked)
        for value in values
    }
    assert {color for _, color in colors} >= {"green", "text"}
    assert not [each for each in colors.items() if each[0][1] in {"red", "orange", "yellow"}]


def test_every_query_of_every_panel_returns_data_during_an_incident(grafana: Grafana, sandbox: SandboxProcess) -> None:
    """None is refused, none is empty, and each has a series with a number."""
    sandbox.break_("exporter_disabled")
    confirmed = "trace_monitor_fault_active{fault='exporter_disabled'} == 1"
    wait_until(lambda: grafana.result(confirmed), within=60, what="the fault in Prometheus")
    notified = "trace_monitor_notices_total{reason='opened',outcome='sent'} == 1"
    wait_until(lambda: grafana.result(notified), within=60, what="the notice in Prometheus")
    deadline, empty = time.monotonic() + 30, queries(DOCUMENT)
    assert len(empty) > 50
    while empty and time.monotonic() < deadline:
        empty = [asked for asked in empty if not any(values for _, values in grafana.ask(asked))]
        time.sleep(0.5)
    assert not [(asked.name, grafana.substitute(asked.target["expr"])) for asked in empty]


def test_every_link_leads_to_a_page_of_the_monitor(grafana: Grafana) -> None:
    """With the address, the target and the fault that the dashboard fills in."""
    filled = {
        grafana.substitute(link.replace("${__field.labels.fault}", fault).replace("${__value.raw}", value))
        for link in links(DOCUMENT)
        for fault, value in (("exporter_disabled", "exporter_disabled" if "/runbooks/" in link else "demo"),)
    }
    assert len(filled) >= 4
    for url in filled:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
            assert answer.status == 200, url
