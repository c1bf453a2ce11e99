"""Every wrong input gets one readable line: place, path, what is wrong, what is allowed."""

import pytest

from tests.settings.samples import MINIMAL, complaints, with_target


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_an_empty_file_is_reported_as_such(text: str) -> None:
    """There is no target in it."""
    assert complaints(text) == [
        "config.yaml (there is nothing in it): targets: is empty: there is nothing to monitor; at least one target is needed"
    ]


@pytest.mark.parametrize("text", ["log: {level: info}\n", "targets: {}\n", "targets:\n", "---\n"])
def test_no_targets_are_an_error(text: str) -> None:
    """A monitor of nothing would be green for ever."""
    assert complaints(text)[-1].endswith(
        "targets: is empty: there is nothing to monitor; at least one target is needed"
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("- a", "config.yaml:1: is a list where a mapping belongs; keys: targets, alerting, silences, heartbeat"),
        ("just text", "config.yaml:1: is a single value where a mapping belongs"),
        ("targets: [prod]", "config.yaml:1: targets: is a list where a mapping belongs"),
        (
            "targets: {prod: [1]}",
            "config.yaml:1: targets.prod: is a list where a mapping belongs; keys: control_plane",
        ),
        ("targets: {prod: yes}", "config.yaml:1: targets.prod: is a single value where a mapping belongs"),
    ],
)
def test_a_list_or_a_value_where_a_mapping_belongs(more: str, said: str) -> None:
    """Reported with the keys that are allowed there."""
    assert complaints(more)[0].startswith(said)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        # shapes
        ("log: [1]", "log: is a list where a mapping belongs; keys: level, format"),
        ("log: {level: [info]}", "log.level: is a list where a single value belongs"),
        ("log: {level: {a: b}}", "log.level: is a mapping where a single value belongs"),
        ("alerting: {remind_every: {a: 1h}}", "alerting.remind_every: is a mapping where a list belongs"),
        ("silences: weekly", "silences: is a single value where a list belongs"),
        ("server: {admin_token: [x]}", "server.admin_token: is a list where a secret belongs; allowed: a text"),
        ("server: {admin_token_file: [x]}", "server.admin_token_file: is a list where the path of a file belongs"),
        # keys
        ("lgo: {}", "lgo: unknown key; did you mean `log`?"),
        ("log: {lvl: info}", "log.lvl: unknown key; did you mean `level`?"),
        ("log: {colour: red}", "log.colour: unknown key; allowed here: format, level"),
        ("server: {admin_token_fil: x}", "server.admin_token_fil: unknown key; did you mean `admin_token_file`?"),
        ("server: {port_file: x}", "server.port_file: unknown key; did you mean `port`?"),
        # values
        (
            "log: {level: inof}",
            "log.level: is not one of the words allowed here; did you mean `info`? allowed: debug, info, warning, error",
        ),
        ("http: {allow_http: maybe}", "http.allow_http: is not a switch; allowed: true, false"),
        ("server: {port: abc}", "server.port: is not a whole number"),
        ("server: {port: 97.5}", "server.port: is not a whole number"),
        ("server: {port: 70000}", "server.port: is too large; allowed: at most 65535"),
        ("server: {port: }", "server.port: is empty; leave the key out to get the default"),
        ("server: {host: ' '}", "server.host: is empty; a text is needed"),
        ('server: {host: "a\\nb"}', "server.host: holds characters that cannot be printed"),
        ("alerting: {fail_after: 0}", "alerting.fail_after: is too small; allowed: at least 1"),
        (f"alerting: {{fail_after: {'9' * 5000}}}", "alerting.fail_after: is not a whole number of a reasonable size"),
        ("alerting: {reopen_within: -1s}", "alerting.reopen_within: is not a duration; allowed: 30s, 5m, 1h30m"),
        ("alerting: {remind_every: [4h, x]}", "alerting.remind_every[1]: is not a duration; allowed: 30s, 5m, 1h30m"),
        ("heartbeat: {every: 0s}", "heartbeat.every: must be more than 0; allowed: 30s, 5m, 1h30m"),
        ("heartbeat: {every: 20000d}", "heartbeat.every: is longer than ten years; shorter is allowed"),
        (
            "alerting: {severity: {trace_lost: none}}",
            "alerting.severity.trace_lost: is not one of the words allowed here; did you mean `trace_late`?",
        ),
        (
            "alerting: {severity: {trace_late: bad}}",
            "alerting.severity.trace_late: is not a severity; allowed: critical",
        ),
        ("http: {proxy: 'proxy:3128'}", "http.proxy: is not the URL of a proxy; allowed: http://host:port"),
        (
            "server: {external_url: example.com}",
            "server.external_url: is not a URL; allowed: https://host[:port][/path]",
        ),
    ],
)
def test_a_wrong_setting_is_reported_in_one_line(line: str, said: str) -> None:
    """With file, line, path, and what is allowed."""
    (refused,) = complaints(f"{MINIMAL}{line}\n")
    assert refused.startswith(f"config.yaml:6: {said}")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("checks: {gateway: {path: health}}", "checks.gateway.path: is not the path of a URL; allowed: /health"),
        ("checks: {arrival: {loss_of: [3]}}", "checks.arrival.loss_of: is not a pair; allowed: [losses, of the last]"),
        ("checks: {arrival: {loss_of: [5, 3]}}", "checks.arrival.loss_of: asks for 5 losses among 3 canaries"),
        ("expected: {protocol: htpp}", "expected.protocol: is not one of the words allowed here; did you mean `http`?"),
        ("expected: {headers: {a b: x}}", "expected.headers: has a name that no header can have"),
        ("expected: {headers: {X-A: x, x-a: y}}", "expected.headers: has two headers whose names differ in case only"),
        ("expected: {endpoint: collector}", "expected.endpoint: is not a URL; allowed: https://host[:port][/path]"),
        ("expected: {protocol: grpc, endpoint: collector}", "expected.endpoint: is not an address; allowed for gRPC"),
        ("expected: {filters: [{key: a, value: [b], operator: EQ}]}", "expected.filters[0].operator: is not one of"),
        (
            "expected: {filters: [{value: [b]}]}",
            "expected.filters[0].key: is missing (the span attribute that it compares)",
        ),
        ("labels: {target: x}", "labels: has a label whose name the monitor uses itself"),
        ("labels: {a-b: x, a_b: y}", "labels: has two labels whose names collide"),
        ("labels: {a: [x]}", "labels.a: is a list where a single value belongs"),
        ("labels: {a: }", "labels.a: is empty; leave the key out to get the default"),
        ("labels: {team: [x], '9f86d081884c7d65': [y]}", "labels.team: is a list where a single value belongs"),
    ],
)
def test_a_wrong_setting_of_a_target_is_reported_in_one_line(line: str, said: str) -> None:
    """With the target in its path."""
    assert complaints(with_target(line))[0].startswith(f"config.yaml:6: targets.prod.{said}")


@pytest.mark.parametrize(
    "url",
    [
        "acme.truefoundry.cloud",
        "ftp://acme.example.com",
        "https://",
        "https://:443",
        "https://a b",
        "https://host:port",
        "https://host:99999",
        "https://h\u00f6st",
        "https://user:pass@host",
        "https://host/?q=1",
        "https://host/#x",
        "https://[::1",
        "https://-bad-.com:",
        "https://h!st",
    ],
)
def test_a_bad_url_is_refused_without_being_repeated(url: str) -> None:
    """It may hold credentials."""
    (line,) = complaints(MINIMAL.replace("https://acme.truefoundry.cloud", f'"{url}"'))
    assert line.startswith("config.yaml:3: targets.prod.control_plane.url: ")
    assert url.removeprefix("https://") not in line or url == "https://"


@pytest.mark.parametrize("name", ["Prod", "prod_eu", "-prod", "prod.eu", "a" * 64, "pr\u00f6d", "''"])
def test_a_target_has_a_simple_name(name: str) -> None:
    """It is a label, a part of file names and of variables."""
    (line,) = complaints(MINIMAL.replace("  prod:", f"  {name}:"))
    assert "has a name that no target can have; allowed: up to 63 of a-z, 0-9 and `-`, no `-` first" in line


def test_a_misspelt_key_is_not_reported_as_missing_besides() -> None:
    """One mistake, one line."""
    assert complaints(MINIMAL.replace("environment:", "enviroment:")) == [
        "config.yaml:5: targets.prod.traceloop.enviroment: unknown key; did you mean `environment`?"
    ]


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file() -> None:
    """Nobody likes to fix a file ten times."""
    text = MINIMAL + "log: {level: x}\nserver: {port: y}\nheartbeat: {every: z}\nhtpp: {}\n"
    assert [line.split(": ")[0] for line in complaints(text)] == [f"config.yaml:{line}" for line in range(6, 10)]


def test_a_name_that_may_be_a_secret_is_not_repeated() -> None:
    """Keys are shown where they look like words only."""
    secret = "9f86d081884c7d659a2feaa0c55ad015"
    for text in (
        f"{MINIMAL}log: {{{secret}: x}}\n",
        f"{MINIMAL}{secret}: x\n",
        with_target(f"labels: {{{secret}: [x]}}"),
        with_target(f"expected: {{headers: {{{secret}: [x]}}}}"),
        f"targets: {{{secret}: [x]}}",
        MINIMAL.replace("  prod:", f"  {secret}-{secret}:").replace("environment: prd", ""),
    ):
        assert secret not in "\n".join(complaints(text))


def test_a_secret_that_became_a_name_is_masked() -> None:
    """Also where it looks like a word."""
    text = MINIMAL.replace("tl_Secret_2", "hunter") + "hunter: {}\n"
    assert complaints(text) == [
        (
            "config.yaml:6: …: unknown key; "
            "allowed here: alerting, defaults, heartbeat, http, log, server, silences, state, targets"
        ),
    ]
