"""Which file is read, which source wins, and what is valid on a machine that has none of the secrets."""

from pathlib import Path
from types import MappingProxyType

import pytest

from monitor.cli import main
from monitor.core.model import TargetName
from monitor.settings import ConfigError, load, parse
from monitor.settings.document import Layer, Node, Origin, read_document
from tests.settings.samples import (
    BY_ENVIRONMENT,
    MINIMAL,
    complaints,
    loaded,
    prod,
    settings,
    traceloop_of,
    with_target,
)


def write(file: Path, *, level: str) -> Path:
    """A configuration that can be told from others by its log level."""
    file.write_text(MINIMAL + f"log: {{level: {level}}}\n")
    return file


def test_the_file_of_the_command_line_is_read_before_any_other(tmp_path: Path) -> None:
    """--config wins over TRACE_MONITOR_CONFIG and ./trace-monitor.yaml."""
    asked = write(tmp_path / "asked.yaml", level="debug")
    named = write(tmp_path / "named.yaml", level="warning")
    write(tmp_path / "trace-monitor.yaml", level="error")
    read = load(str(asked), {"TRACE_MONITOR_CONFIG": str(named)}, tmp_path)
    assert read.settings.log.level == "debug"
    assert read.path == asked


def test_the_file_of_the_environment_is_read_before_the_usual_places(tmp_path: Path) -> None:
    """TRACE_MONITOR_CONFIG wins over ./trace-monitor.yaml."""
    write(tmp_path / "named.yaml", level="warning")
    write(tmp_path / "trace-monitor.yaml", level="error")
    assert load(None, {"TRACE_MONITOR_CONFIG": "named.yaml"}, tmp_path).settings.log.level == "warning"


def test_the_file_beside_us_is_read_when_none_is_named(tmp_path: Path) -> None:
    """./trace-monitor.yaml is looked for where the program was started."""
    write(tmp_path / "trace-monitor.yaml", level="error")
    assert load(None, {"TRACE_MONITOR_CONFIG": ""}, tmp_path).settings.log.level == "error"


def test_the_global_file_is_the_last_place_looked_at(tmp_path: Path) -> None:
    """Without any file the complaint names both usual places."""
    with pytest.raises(ConfigError) as refused:
        load(None, {}, tmp_path)
    assert "./trace-monitor.yaml" in str(refused.value)
    assert "/etc/trace-monitor/config.yaml" in str(refused.value)
    assert "at least one target is needed" in str(refused.value)


@pytest.mark.parametrize("how", ["command line", "environment"])
def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path, how: str) -> None:
    """A file that was asked for is never passed over silently."""
    write(tmp_path / "trace-monitor.yaml", level="error")
    asked, environ = ("gone.yaml", {}) if how == "command line" else (None, {"TRACE_MONITOR_CONFIG": "gone.yaml"})
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read: No such file or directory"):
        load(asked, environ, tmp_path)


def test_a_directory_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    """It is reported in words, not by a traceback."""
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(str(tmp_path), {}, tmp_path)


def test_a_file_that_is_there_but_cannot_be_looked_at_is_an_error(tmp_path: Path) -> None:
    """It is not passed over for the next place."""
    (tmp_path / "trace-monitor.yaml").symlink_to("trace-monitor.yaml")
    with pytest.raises(ConfigError, match=r"trace-monitor\.yaml: cannot be read: Too many levels of symbolic links"):
        load(None, {}, tmp_path)


def test_a_huge_file_is_an_error(tmp_path: Path) -> None:
    """It is not read to its end."""
    file = tmp_path / "huge.yaml"
    file.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(ConfigError, match=r"huge\.yaml: is larger than 1 MiB, which no configuration is"):
        load(str(file), {}, tmp_path)


def test_a_file_that_is_not_text_is_an_error_with_its_line(tmp_path: Path) -> None:
    """The line of the first byte that is not UTF-8."""
    file = tmp_path / "latin.yaml"
    file.write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml: is not text in UTF-8 \(line 2\)"):
        load(str(file), {}, tmp_path)


def test_a_single_target_needs_no_file(tmp_path: Path) -> None:
    """Everything can come from the environment."""
    read = load(None, BY_ENVIRONMENT, tmp_path)
    assert list(read.settings.targets) == ["prod"]
    assert read.path is None
    assert read.settings.targets == settings(MINIMAL).targets


LEVEL = MINIMAL + "log: {level: warning}\n"


def test_the_environment_wins_over_the_secrets_directory_and_the_file(tmp_path: Path) -> None:
    """The strongest source is the environment."""
    (tmp_path / "log__level").write_text("error")
    environ = {"TRACE_MONITOR_SECRETS_DIR": str(tmp_path), "TRACE_MONITOR_LOG__LEVEL": "debug"}
    assert settings(LEVEL, environ).log.level == "debug"


def test_the_secrets_directory_wins_over_the_file(tmp_path: Path) -> None:
    """The second strongest is the secrets directory."""
    (tmp_path / "log__level").write_text("error\n")
    assert settings(LEVEL, {"TRACE_MONITOR_SECRETS_DIR": str(tmp_path)}).log.level == "error"


def test_the_file_wins_over_what_is_built_in() -> None:
    """The file is above the built-in default."""
    assert settings(LEVEL).log.level == "warning"
    assert settings(MINIMAL).log.level == "info"


def test_the_file_wins_over_defaults() -> None:
    """A target's own value is above that of `defaults`, which is above the built-in one."""
    text = with_target("checks: {canary: {every: 7m}}") + "defaults: {checks: {canary: {every: 10m, timeout: 20s}}}\n"
    canary = prod(text).checks.canary
    assert (canary.every, canary.timeout, canary.every_while_failing) == (420, 20, 60)


def test_defaults_lose_even_if_they_come_from_the_environment() -> None:
    """`defaults` are weaker than any target's value, wherever both were given."""
    text = with_target("checks: {canary: {every: 7m}}")
    assert prod(text, {"TRACE_MONITOR_DEFAULTS__CHECKS__CANARY__EVERY": "10m"}).checks.canary.every == 420


def test_defaults_have_the_shape_of_a_target() -> None:
    """Whatever a target may say, `defaults` may say for all, secrets among it."""
    text = """
targets: {one: , two: {gateway: {model: other}}}
defaults:
  control_plane: {url: https://acme.truefoundry.cloud, token: a}
  gateway: {model: m}
  traceloop: {api_key: b, environment: prd}
  labels: {team: x}
"""
    targets = {str(name): target for name, target in settings(text).targets.items()}
    assert {name: target.gateway.model for name, target in targets.items()} == {"one": "m", "two": "other"}
    assert targets["one"].labels == {"team": "x"}
    assert traceloop_of(targets["one"]).api_key.get() == "b"


def test_a_mistake_in_defaults_is_reported_once_and_where_it_stands() -> None:
    """Two targets inherit it, one line complains, under the path that has to be fixed."""
    text = MINIMAL + "  other: {}\ndefaults:\n  checks: {canary: {every: often}}\n"
    refused = complaints(text)
    assert [line for line in refused if "every" in line] == [
        "config.yaml:8: defaults.checks.canary.every: is not a duration; allowed: 30s, 5m, 1h30m, 30d, or seconds"
    ]


def test_a_target_can_do_without_the_control_plane_of_defaults() -> None:
    """A null leaves out what `defaults` would give."""
    text = """
targets:
  prod:
    control_plane: null
    gateway: {url: https://gw.example.com, token: t, model: m}
    traceloop: {api_key: k, environment: prd}
defaults: {control_plane: {url: https://acme.truefoundry.cloud, token: a}}
"""
    assert prod(text).control_plane is None


def test_sections_that_are_commented_out_entirely_are_like_absent_ones() -> None:
    """`alerting:` with nothing below it is no error."""
    assert settings(MINIMAL + "alerting:\nlog:\ndefaults:\n") == settings(MINIMAL)


def test_relative_paths_in_the_file_are_relative_to_the_file(tmp_path: Path) -> None:
    """A configuration and its secrets can be moved together; what a variable names is relative to where we are."""
    place = tmp_path / "conf"
    place.mkdir()
    (place / "key").write_text("from-conf\n")
    (tmp_path / "key").write_text("from-cwd\n")
    file = place / "config.yaml"
    file.write_text(MINIMAL.replace("api_key: tl_Secret_2", "api_key_file: key"))

    def key(environ: dict[str, str]) -> str:
        (target,) = load("conf/config.yaml", environ, tmp_path).settings.targets.values()
        return traceloop_of(target).api_key.get()

    assert key({}) == "from-conf"
    assert key({"TRACE_MONITOR_TARGETS__PROD__TRACELOOP__API_KEY_FILE": "key"}) == "from-cwd"


def test_what_was_loaded_is_frozen() -> None:
    """Nobody can change the settings of a running program by accident."""
    read = settings(with_target("labels: {team: x}"))
    (target,) = read.targets.values()
    with pytest.raises(ValueError, match="frozen"):
        read.log.level = "debug"  # type: ignore[misc]
    for mapping in (read.targets, target.labels):
        assert isinstance(mapping, MappingProxyType)


def test_two_loads_of_the_same_text_are_equal() -> None:
    """A reload can tell what has changed by comparing."""
    assert settings(MINIMAL) == settings(MINIMAL)
    assert settings(MINIMAL) != settings(MINIMAL.replace("tl_Secret_2", "tl_Secret_3"))


def test_the_file_may_begin_with_a_byte_order_mark_and_end_its_lines_with_crlf(tmp_path: Path) -> None:
    """Editors on Windows write both."""
    file = tmp_path / "windows.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load(str(file), {}, tmp_path).settings == settings(MINIMAL)


def test_the_places_of_values_are_known() -> None:
    """Each value knows the layer, the line and the path it was given under."""
    read = loaded(MINIMAL, {"TRACE_MONITOR_LOG__LEVEL": "debug"})
    at = read.places.where(("targets", "prod", "gateway", "model"))
    assert at is not None
    assert (at.origin.place, at.path) == ("config.yaml:4", ("targets", "prod", "gateway", "model"))
    level = read.places.where(("log", "level"))
    assert level is not None
    assert level.origin.place == "TRACE_MONITOR_LOG__LEVEL"
    assert read.places.where(("log", "format")) is None


def tried(text: str) -> Node:
    """Settings that are handed over beside the configuration."""
    tree = read_document(text, lambda line: Origin(layer=Layer.FILE, place=f"tried:{line}"))
    assert tree is not None
    return tree


def test_what_is_tried_outranks_every_source() -> None:
    """The strongest first, above the environment; a complaint names its place."""
    later, first = tried("alerting: {fail_after: 5}"), tried("alerting: {fail_after: 4, pass_after: 4}")
    environ = {"TRACE_MONITOR_ALERTING__FAIL_AFTER": "3", "TRACE_MONITOR_ALERTING__PASS_AFTER": "3"}
    alerting = parse(MINIMAL, environ, Path("/nowhere"), over=[later, first]).settings.alerting
    assert (alerting.fail_after, alerting.pass_after) == (5, 4)
    wrong = tried("\nalerting: {fail_afer: 5}")
    with pytest.raises(ConfigError, match=r"^tried:2: alerting\.fail_afer: unknown key; did you mean `fail_after`"):
        parse(MINIMAL, {}, Path("/nowhere"), over=[wrong])


def test_thresholds_can_be_read_without_a_single_secret() -> None:
    """No file of a secret and no certificate is opened; what stands in the file itself is read as ever."""
    text = MINIMAL.replace("token: tfy-Secret-1", "token_file: /no/such/file").replace(
        "environment: prd", "environment: prd, other_environments: {stg: {api_key_file: /no/such/file}}"
    )
    text += """\
alerting: {fail_after: 4, webhook: {url_file: /no/such/file}}
http: {ca_file: /no/such/file}
server: {port: 1, tls_cert: /no/such/file}
"""
    with pytest.raises(ConfigError, match="cannot be read"):
        parse(text, {}, Path("/nowhere"))
    read = parse(text, {}, Path("/nowhere"), open_files=False).settings
    assert (read.alerting.fail_after, read.server.port, read.server.tls_cert, read.http.ca_file) == (4, 1, None, None)
    assert traceloop_of(read.targets[TargetName("prod")]).api_key.get() == "tl_Secret_2"
    with pytest.raises(ConfigError, match="fail_afer"):
        parse(text.replace("fail_after", "fail_afer"), {}, Path("/nowhere"), open_files=False)


Out = pytest.CaptureFixture[str]

BARE = """\
targets:
  prod:
    control_plane: {url: https://acme.truefoundry.cloud, token_file: /nowhere/token}
    gateway: {model: openai-main/gpt-4o-mini}
    traceloop: {environment: prd, other_environments: {stg: {}}}
    expected: {headers: {X-Scope: {file: /nowhere/scope}, Authorization: {file: /nowhere/auth}}}
  edge:
    gateway: {url: https://gw.example.com, model: m}
    traceloop: {environment: prd, api_key_file: /nowhere/key}
alerting: {slack: {bot_token_file: /nowhere/bot, channel: C1}, webhook: {url_file: /nowhere/url}}
heartbeat: {url_file: /nowhere/heartbeat}
server: {admin_token_file: /nowhere/admin, tls_cert: /nowhere/tls.pem}
"""


def test_the_rest_is_validated_without_the_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """Files that are not there, and secrets that only the environment of the daemon has."""
    file = tmp_path / "config.yaml"
    file.write_text(BARE)
    monkeypatch.setenv("TRACE_MONITOR_SECRETS_DIR", "/nowhere/secrets")
    assert main(["config", "validate", "--config", str(file)]) == 2
    assert "edge.gateway.token" in capsys.readouterr().err
    assert main(["config", "validate", "--no-secrets", "--config", str(file)]) == 0
    out, err = capsys.readouterr()
    other = "targets.prod.traceloop.other_environments.stg.api_key"
    assert out.startswith(
        "the configuration is valid: 2 targets (prod, edge)\n"
        "  not checked: files of secrets and certificates, and secrets that are given nowhere\n"
        f"  assumed to be given where it runs: targets.prod.traceloop.api_key, {other}, targets.edge.gateway.token\n"
    )
    assert err == ""
    file.write_text(
        BARE.replace("bot_token_file: /nowhere/bot, ", "").replace(", webhook: {url_file: /nowhere/url}", "")
    )
    assert main(["config", "validate", "--no-secrets", "--config", str(file)]) == 0
    assert "no notifier" not in capsys.readouterr().err  # its token may be given where it runs


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("environment: prd, o", "environmnt: prd, o", "did you mean `environment`?"),
        ("model: m", "model: ''", "edge.gateway.model: is empty"),
        ("https://gw.example.com", "http://gw.example.com", "edge.gateway.url: is not https"),
        ("channel: C1", "mention: <!here>", "alerting.slack.channel: is missing"),
        ("api_key_file: /nowhere/key", "api_key: '${KEY}'", "edge.traceloop.api_key: is a placeholder"),
    ],
)
def test_everything_else_is_still_an_error(before: str, after: str, said: str, tmp_path: Path, capsys: Out) -> None:
    """A secret that is given as its value among it."""
    file = tmp_path / "config.yaml"
    file.write_text(BARE.replace(before, after, 1))
    assert main(["config", "validate", "--no-secrets", "--config", str(file)]) == 2
    assert said in capsys.readouterr().err


def test_secrets_that_are_there_are_no_hindrance(tmp_path: Path) -> None:
    """And nothing is missing without any layer's word."""
    file = tmp_path / "config.yaml"
    file.write_text(MINIMAL)
    assert list(load(str(file), {}, tmp_path, open_files=False).settings.targets) == ["prod"]
