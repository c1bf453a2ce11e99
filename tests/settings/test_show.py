"""The effective settings, each with its source."""

from pathlib import Path

import yaml

from monitor.settings import all_secrets, parse
from monitor.settings.document import Layer
from monitor.settings.show import show
from tests.settings.samples import MINIMAL, loaded, settings, with_target


def row(text: str, path: str) -> tuple[str, str]:
    """The value and the source shown for a dotted path."""
    open_parts: list[str] = []
    for line in text.splitlines():
        body, _, source = line.partition(" # ")
        depth = (len(body) - len(body.lstrip())) // 2
        key, _, value = body.strip().partition(":")
        open_parts = [*open_parts[:depth], key]
        if ".".join(open_parts) == path:
            return value.strip(), source.strip()
    raise AssertionError(path)


def test_each_value_is_shown_with_its_source(tmp_path: Path) -> None:
    """Variable, entry of the secrets directory, line of the file, defaults, derived, built-in."""
    (tmp_path / "log__format").write_text("json")
    text = with_target("checks: {canary: {every: 7m}}") + "defaults: {checks: {canary: {timeout: 20s}}}\n"
    shown = show(loaded(text, {"TRACE_MONITOR_SECRETS_DIR": str(tmp_path), "TRACE_MONITOR_LOG__LEVEL": "debug"}))
    target = "targets.prod"
    assert row(shown, "log.level") == ("debug", "TRACE_MONITOR_LOG__LEVEL")
    assert row(shown, "log.format") == ("json", f"secrets directory, {tmp_path}/log__format")
    assert row(shown, f"{target}.checks.canary.every") == ("7m", "config.yaml:6")
    assert row(shown, f"{target}.checks.canary.timeout") == ("20s", "defaults, config.yaml:7")
    assert row(shown, f"{target}.gateway.url")[1] == "derived: {control_plane.url}/api/llm"
    assert row(shown, "server.port") == ("9797", "built-in")


def test_a_secret_is_masked_however_short_it_is() -> None:
    """And however long, by the same mask."""
    shown = show(loaded(MINIMAL + "server: {admin_token: abc}\n"))
    assert row(shown, "server.admin_token") == ('"********"', "config.yaml:6")


def test_a_null_that_asks_for_the_derived_value_is_not_its_source() -> None:
    """The value comes from elsewhere."""
    shown = show(loaded(MINIMAL.replace("gateway: {", "gateway: {url: null, ")))
    assert row(shown, "targets.prod.gateway.url")[1] == "derived: {control_plane.url}/api/llm"


def test_why_a_check_is_off_is_shown() -> None:
    """Although nobody switched it off."""
    text = """
targets:
  prod:
    gateway: {url: https://gw.example.com, token: t-o-k-e-n}
    traceloop: {api_key: k-e-y, environment: prd}
    checks: {canary: {enabled: false}}
"""
    shown = show(loaded(text))
    assert row(shown, "targets.prod.checks.config.enabled") == ("false", "there is no control_plane")
    assert row(shown, "targets.prod.checks.origin.enabled") == ("false", "there is no control_plane")
    assert row(shown, "targets.prod.checks.arrival.enabled") == ("false", "there is no canary")
    assert row(shown, "targets.prod.checks.canary.enabled") == ("false", "config.yaml:6")
    assert row(shown, "targets.prod.control_plane") == ("null", "built-in")


def test_why_no_test_spans_are_sent_by_grpc_is_shown() -> None:
    """Also where somebody has asked for them."""
    text = with_target(
        "expected: {protocol: grpc, endpoint: 'otelcol.example.com:4317'}", "checks: {control: {enabled: true}}"
    )
    said = ("false", "test spans are sent by HTTP, not by gRPC")
    assert row(show(loaded(text)), "targets.prod.checks.control.enabled") == said
    assert row(show(loaded(MINIMAL)), "targets.prod.checks.control.enabled") == ("true", "built-in")


def test_secrets_are_masked_and_their_files_named(tmp_path: Path) -> None:
    """Wherever they stand, also where none belongs."""
    (tmp_path / "key").write_text("tl_Secret_File")
    text = MINIMAL.replace("api_key: tl_Secret_2", "api_key_file: key")
    text += "    expected: {headers: {X-A: hdr-Secret, X-B: {file: key}}}\n    labels: {oops: tfy-Secret-1}\n"
    text += "http: {proxy: 'http://user:pw-Secret@proxy:3128'}\n"
    shown = show(loaded(text, cwd=tmp_path))
    assert "Secret" not in shown.replace("TRACE_MONITOR_SECRETS_DIR", "")
    assert row(shown, "targets.prod.control_plane.token")[0] == '"********"'
    assert row(shown, "targets.prod.traceloop.api_key_file")[0] == f"{tmp_path}/key"
    assert row(shown, "targets.prod.expected.headers.X-B")[0] == f"{{file: {tmp_path}/key}}"
    assert row(shown, "targets.prod.labels.oops")[0] == "********"
    assert row(shown, "http.proxy")[0] == "http://********@proxy:3128"
    sign = show(loaded(MINIMAL + "http: {proxy: 'http://user:p@ssword-Tail@proxy:3128'}\n"))
    assert row(sign, "http.proxy")[0] == "http://********@proxy:3128"


FULL = (
    with_target(
        "labels: {'no': 'yes', b: 'null', c: 'a: b # c', d: '1.10'}",
        "expected: {filters: [{key: a, value: [b, 'c d']}]}",
        "checks: {canary: {parameters: {temperature: 0, stop: [x], deep: {a: null}}, metadata: {a: '5'}}}",
    )
    + "silences: [{to: 2030-01-01T00:00:00Z}, {weekly: {days: mon-fri, start: 22:00, end: 6:00, tz: UTC}, fault: blind}]\n"
    + "alerting: {severity: {trace_late: none}, remind_every: [90s, 1h30m], alertmanager: {urls: ['http://am:9093']}}\n"
)


def test_what_is_shown_can_be_read_back() -> None:
    """But for the masks, the output is a configuration that says the same."""
    shown = show(loaded(FULL))
    for name, value in (("tfy-Secret-1", "token"), ("tl_Secret_2", "api_key")):
        shown = shown.replace(f'{value}: "********"', f"{value}: {name}")
    assert yaml.safe_load(shown)
    again = parse(shown, {}, Path("/nowhere"), name="shown").settings
    assert again == settings(FULL)


def test_all_secrets_of_the_settings_are_found() -> None:
    """For whoever must keep them out of what is shown."""
    text = with_target("expected: {headers: {X-A: hdr}}") + "server: {admin_token: adm}\n"
    text += "alerting: {slack: {webhook_url: https://hooks.slack.com/x}}\nheartbeat: {url: https://hc.example.com/x}\n"
    held = {secret.get() for secret in all_secrets(settings(text))}
    assert held == {
        "tfy-Secret-1",
        "tl_Secret_2",
        "hdr",
        "adm",
        "https://hooks.slack.com/x",
        "https://hc.example.com/x",
    }


def test_the_places_that_were_read_are_known(tmp_path: Path) -> None:
    """For a summary."""
    (tmp_path / "log__format").write_text("json")
    environ = {"TRACE_MONITOR_SECRETS_DIR": str(tmp_path), "TRACE_MONITOR_LOG__LEVEL": "debug"}
    assert loaded(MINIMAL, environ).places.by_layer() == {
        Layer.ENVIRONMENT: {"TRACE_MONITOR_LOG__LEVEL"},
        Layer.SECRETS: {f"{tmp_path}/log__format"},
        Layer.FILE: {"config.yaml"},
    }
