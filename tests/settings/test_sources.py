"""The environment and a mounted secrets directory: names of nested settings, of targets, of nothing we know."""

import os
from pathlib import Path

import pytest

from monitor.settings.sources import variable
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


def test_an_underscore_in_a_targets_name_stands_for_a_dash() -> None:
    """TARGETS__PROD_EU__… sets the target prod-eu, whether or not the file knows it."""
    text = MINIMAL.replace("  prod:", "  prod-eu:")
    (target,) = settings(text, {"TRACE_MONITOR_TARGETS__PROD_EU__GATEWAY__MODEL": "other/model"}).targets.values()
    assert target.gateway.model == "other/model"
    environ = {name.replace("PROD", "PROD_EU"): value for name, value in BY_ENVIRONMENT.items()}
    assert list(settings("", environ).targets) == ["prod-eu"]


@pytest.mark.parametrize("name", ["trace_monitor_log__level", "Trace_Monitor_Log__Level", "TRACE_MONITOR_LOG__LEVEL"])
def test_names_are_not_case_sensitive(name: str) -> None:
    """Upper or lower case, prefix and all."""
    assert settings(MINIMAL, {name: "debug"}).log.level == "debug"


def test_names_that_differ_in_case_only_collide() -> None:
    """Which of the two wins would be chance, so neither does."""
    environ = {"TRACE_MONITOR_LOG__LEVEL": "debug", "trace_monitor_log__level": "error"}
    assert complaints(MINIMAL, environ) == [
        "trace_monitor_log__level: log.level: is given twice: TRACE_MONITOR_LOG__LEVEL collides with it"
    ]


def test_a_name_with_two_dashes_is_found_if_the_file_knows_it() -> None:
    """`a--b` reads like a separator in a variable; the file's names decide."""
    text = MINIMAL.replace("  prod:", "  a--b:")
    (target,) = settings(text, {"TRACE_MONITOR_TARGETS__A__B__GATEWAY__MODEL": "other"}).targets.values()
    assert target.gateway.model == "other"


def test_keys_of_the_file_keep_their_spelling() -> None:
    """A variable overrides the label `Team` instead of adding `team` beside it."""
    text = with_target("labels: {Team: a}", "expected: {resource_attributes: {deployment.environment: x}}")
    environ = {
        "TRACE_MONITOR_TARGETS__PROD__LABELS__TEAM": "b",
        "TRACE_MONITOR_TARGETS__PROD__EXPECTED__RESOURCE_ATTRIBUTES__DEPLOYMENT_ENVIRONMENT": "y",
    }
    target = prod(text, environ)
    assert target.labels == {"Team": "b"}
    assert target.expected.resource_attributes == {"deployment.environment": "y"}


def test_new_keys_of_tables_are_taken_in_lower_case_and_with_dashes_where_names_have_them() -> None:
    """A header and an environment have dashes, a label has underscores."""
    environ = {
        "TRACE_MONITOR_TARGETS__PROD__LABELS__COST_CENTER": "42",
        "TRACE_MONITOR_TARGETS__PROD__EXPECTED__HEADERS__X_SCOPE_ID": "a b",
        "TRACE_MONITOR_TARGETS__PROD__TRACELOOP__OTHER_ENVIRONMENTS__EU_STG__API_KEY": "k",
    }
    target = prod(MINIMAL, environ)
    assert target.labels == {"cost_center": "42"}
    assert {name: value.get() for name, value in target.expected.headers.items()} == {"x-scope-id": "a b"}
    assert list(traceloop_of(target).other_environments) == ["eu-stg"]


@pytest.mark.parametrize(
    "text", ["4h,8h", "[4h, 8h]", '["4h", "8h"]', " 4h , 8h "], ids=["commas", "yaml", "json", "blanks"]
)
def test_lists_are_written_with_commas_or_as_json(text: str) -> None:
    """Both are what people try."""
    assert settings(MINIMAL, {"TRACE_MONITOR_ALERTING__REMIND_EVERY": text}).alerting.remind_every == (14400, 28800)


def test_a_header_may_come_from_the_file_that_a_variable_names(tmp_path: Path) -> None:
    """As {file: …} does in the configuration file."""
    (tmp_path / "scope").write_text("from-file\n")
    target = prod(MINIMAL, {"TRACE_MONITOR_TARGETS__PROD__EXPECTED__HEADERS__X_SCOPE__FILE": f"{tmp_path}/scope"})
    assert target.expected.headers["x-scope"].get() == "from-file"


def test_a_whole_section_can_be_given_as_json_and_refined() -> None:
    """The deeper name wins over the shallower one of the same layer, where they do not say the same."""
    environ = {
        "TRACE_MONITOR_TARGETS__PROD__LABELS": '{"team": "x"}',
        "TRACE_MONITOR_TARGETS__PROD__LABELS__TIER": "1",
    }
    assert prod(MINIMAL, environ).labels == {"team": "x", "tier": "1"}


def test_values_of_any_type_are_read_as_json_where_a_request_needs_types() -> None:
    """`temperature` must reach the gateway as a number."""
    environ = {
        "TRACE_MONITOR_TARGETS__PROD__CHECKS__CANARY__PARAMETERS__TEMPERATURE": "0.5",
        "TRACE_MONITOR_TARGETS__PROD__CHECKS__CANARY__PARAMETERS__RESPONSE_FORMAT__TYPE": "text",
        "TRACE_MONITOR_TARGETS__PROD__CHECKS__CANARY__PARAMETERS__LOGPROBS": "false",
        "TRACE_MONITOR_TARGETS__PROD__CHECKS__CANARY__PARAMETERS__SEED": "7",
        "TRACE_MONITOR_TARGETS__PROD__CHECKS__CANARY__PARAMETERS__STOP": "null",
    }
    assert prod(MINIMAL, environ).checks.canary.parameters == {
        "temperature": 0.5,
        "response_format": {"type": "text"},
        "logprobs": False,
        "seed": 7,
        "stop": None,
    }


def test_null_clears_a_value_of_the_file() -> None:
    """Every value can be overridden, also by nothing."""
    text = MINIMAL + "alerting: {slack: {mention: '<!here>', webhook_url: https://hooks.slack.com/services/x}}\n"
    environ = {"TRACE_MONITOR_ALERTING__SLACK__MENTION": "null", "TRACE_MONITOR_ALERTING__SLACK__WEBHOOK_URL": "null"}
    slack = settings(text, environ).alerting.slack
    assert (slack.mention, slack.webhook_url) == (None, None)


def test_an_empty_variable_counts_as_not_set() -> None:
    """Compose files make them of `${X:-}`; one warning tells how to clear a value."""
    read = loaded(MINIMAL + "log: {level: error}\n", {"TRACE_MONITOR_LOG__LEVEL": " "})
    assert read.settings.log.level == "error"
    assert [warning for warning in read.warnings if "empty variables" in warning] == [
        "empty variables count as not set (null clears a value): TRACE_MONITOR_LOG__LEVEL"
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TRACE_MONITOR_LOG_LEVEL", "TRACE_MONITOR_LOG__LEVEL"),
        ("TRACE_MONITOR_SERVER_PORT", "TRACE_MONITOR_SERVER__PORT"),
        ("TRACE_MONITOR_STATE_PATH", "TRACE_MONITOR_STATE__PATH"),
        ("TRACE_MONITOR_LOGLEVEL", "TRACE_MONITOR_LOG__LEVEL"),
        ("TRACE_MONITOR_CONFG", "TRACE_MONITOR_CONFIG"),
        ("TRACE_MONITOR_CONFIG_FILE", "TRACE_MONITOR_CONFIG"),
        ("TRACE_MONITOR_SECRET_DIR", "TRACE_MONITOR_SECRETS_DIR"),
        ("TRACE_MONITOR_ADMINTOKEN", "TRACE_MONITOR_ADMIN_TOKEN"),
        ("TRACE_MONITOR_TARGET__PROD__GATEWAY__MODEL", "TRACE_MONITOR_TARGETS__PROD__GATEWAY__MODEL"),
        ("TRACE_MONITOR_TARGETS_PROD_GATEWAY_MODEL", "TRACE_MONITOR_TARGETS__…"),
        ("TRACE_MONITOR_ALERTING_SLACK_BOT_TOKEN_FILE", "TRACE_MONITOR_ALERTING__SLACK__BOT_TOKEN_FILE"),
    ],
)
def test_unknown_variables_close_to_a_known_name_are_errors(name: str, meant: str) -> None:
    """A typing slip must not end as a default silently in force."""
    assert complaints(MINIMAL, {name: "x"}) == [f"{name}: unknown variable; did you mean {meant}?"]


def test_unknown_keys_below_a_known_section_are_errors() -> None:
    """With the path, and what was probably meant."""
    environ = {"TRACE_MONITOR_TARGETS__PROD__GATEWAY__MODLE": "x", "TRACE_MONITOR_LOG__LEVEL__X": "y"}
    assert complaints(MINIMAL, environ) == [
        "TRACE_MONITOR_LOG__LEVEL__X: log.level: is a single value; nothing is below it",
        "TRACE_MONITOR_TARGETS__PROD__GATEWAY__MODLE: targets.prod.gateway.modle: unknown key; did you mean `model`?",
    ]


def test_other_unknown_variables_are_one_warning() -> None:
    """They may belong to a wrapper; their values are not shown."""
    read = loaded(MINIMAL, {"TRACE_MONITOR_IMAGE_TAG": "v1-secret", "TRACE_MONITOR_FOO": "1", "TRACE_MONITOR_": "x"})
    assert [warning for warning in read.warnings if "unknown" in warning] == [
        "unknown variables are ignored: TRACE_MONITOR_, TRACE_MONITOR_FOO, TRACE_MONITOR_IMAGE_TAG"
    ]


OF_A_COMPOSE_FILE = """
DATA NAME DIR DATA_DIR HOSTNAME LEVEL MODEL ENVIRONMENT CONTAINER_NAME VERSION STATE_DIR LOG_DIR HTTP_PORT SERVER_NAME PATH CONFIG_DIR
"""


@pytest.mark.parametrize("name", OF_A_COMPOSE_FILE.split())
def test_a_word_in_common_with_a_known_name_is_not_close_to_it(name: str) -> None:
    """`TRACE_MONITOR_DATA=./data` of a compose file's .env is its own, and does not stop the start."""
    read = loaded(MINIMAL, {f"TRACE_MONITOR_{name}": "./data"})
    assert f"unknown variables are ignored: TRACE_MONITOR_{name}" in read.warnings


SERVICE_LINKS = {
    "TRACE_MONITOR_PORT": "tcp://10.0.0.1:9797",
    "TRACE_MONITOR_SERVICE_HOST": "10.0.0.1",
    "TRACE_MONITOR_SERVICE_PORT": "9797",
    "TRACE_MONITOR_SERVICE_PORT_HTTP_METRICS": "9797",
    "TRACE_MONITOR_PORT_9797_TCP": "tcp://10.0.0.1:9797",
    "TRACE_MONITOR_PORT_9797_TCP_PROTO": "tcp",
    "TRACE_MONITOR_PORT_9797_TCP_PORT": "9797",
    "TRACE_MONITOR_PORT_9797_TCP_ADDR": "10.0.0.1",
}


def test_what_kubernetes_injects_for_a_service_of_our_name_is_ignored() -> None:
    """No error, no warning."""
    assert loaded(MINIMAL, SERVICE_LINKS).warnings == loaded(MINIMAL).warnings
    server = {name.replace("TRACE_MONITOR_", "TRACE_MONITOR_SERVER_"): value for name, value in SERVICE_LINKS.items()}
    assert loaded(MINIMAL, server).warnings == loaded(MINIMAL).warnings


def test_a_variable_that_only_looks_injected_is_not_ignored() -> None:
    """`TRACE_MONITOR_PORT=9797` is an operator's wish, so the message says how to make it come true."""
    for name in ("TRACE_MONITOR_PORT", "TRACE_MONITOR_SERVER_PORT"):
        assert complaints(MINIMAL, {name: "9797"}) == [
            f"{name}: unknown variable; did you mean TRACE_MONITOR_SERVER__PORT?"
        ]


def test_a_setting_is_not_mistaken_for_an_injected_variable() -> None:
    """Whatever its value looks like."""
    environ = {"TRACE_MONITOR_TARGETS__PROD__CHECKS__CANARY__METADATA__SERVICE_HOST": "10.0.0.1"}
    assert prod(MINIMAL, environ).checks.canary.metadata == {"service_host": "10.0.0.1"}


def test_a_name_that_is_no_ascii_is_no_setting() -> None:
    """It could not even be printed everywhere."""
    name = "TRACE_MONITOR_TARGETS__PROD__LABELS__\udcff"
    assert f"unknown variables are ignored: {name!a}" in loaded(MINIMAL, {name: "x"}).warnings


def test_the_variables_of_the_program_itself_are_known() -> None:
    """They are neither settings nor unknown."""
    environ = {
        "TRACE_MONITOR_URL": "http://127.0.0.1:9797",
        "TRACE_MONITOR_ADMIN_TOKEN": "t",
        "TRACE_MONITOR_CONFIG": "",
    }
    assert loaded(MINIMAL, environ).warnings == loaded(MINIMAL).warnings


def test_text_that_is_no_json_is_reported_with_the_variables_name() -> None:
    """The value is not repeated."""
    (line,) = complaints(MINIMAL, {"TRACE_MONITOR_TARGETS__PROD__LABELS": '{"team": '})
    assert line.startswith("TRACE_MONITOR_TARGETS__PROD__LABELS: targets.prod.labels: is not YAML in column")


def test_bytes_that_are_not_utf8_are_refused() -> None:
    """Python shows them as lone surrogates, which nothing that is sent later could hold."""
    (line,) = complaints(MINIMAL, {"TRACE_MONITOR_TARGETS__PROD__CHECKS__CANARY__METADATA__X": "a\udcff"})
    assert line.endswith("targets.prod.checks.canary.metadata.x: is not text in UTF-8")


def test_the_name_of_a_variable_is_known_for_every_path() -> None:
    """A complaint about something missing says by which variable it can be given."""
    assert variable(("targets", "prod-eu", "gateway", "model")) == "TRACE_MONITOR_TARGETS__PROD_EU__GATEWAY__MODEL"
    (line,) = complaints(MINIMAL.replace(", environment: prd", ""))
    assert line == (
        "config.yaml:5: targets.prod.traceloop.environment: is missing (the slug of the key's environment, as Traceloop "
        "returns it: dev, stg, prd or your own); give `environment` or the variable "
        "TRACE_MONITOR_TARGETS__PROD__TRACELOOP__ENVIRONMENT"
    )


WITHOUT_KEY = MINIMAL.replace("api_key: tl_Secret_2, ", "")
ENTRY = "targets__prod__traceloop__api_key"


def mounted(directory: Path) -> dict[str, str]:
    """The environment that names the directory."""
    return {"TRACE_MONITOR_SECRETS_DIR": str(directory)}


def test_an_entry_fills_a_nested_secret(tmp_path: Path) -> None:
    """Its name is the path, its content the value, without the newline at the end."""
    (tmp_path / ENTRY).write_text("tl_mounted\r\n")
    assert traceloop_of(prod(WITHOUT_KEY, mounted(tmp_path))).api_key.get() == "tl_mounted"


@pytest.mark.parametrize("name", ["targets__prod-eu__traceloop__api_key", "targets__prod_eu__traceloop__api_key"])
def test_a_targets_name_may_be_written_with_a_dash(tmp_path: Path, name: str) -> None:
    """Names of files can hold a dash, so both spellings are understood."""
    (tmp_path / name).write_text("tl_mounted")
    read = settings(WITHOUT_KEY.replace("  prod:", "  prod-eu:"), mounted(tmp_path))
    (target,) = read.targets.values()
    assert traceloop_of(target).api_key.get() == "tl_mounted"


def test_two_entries_for_one_setting_collide(tmp_path: Path) -> None:
    """Neither wins by chance."""
    for name in ("targets__prod-eu__gateway__token", "targets__prod_eu__gateway__token"):
        (tmp_path / name).write_text("x")
    (line, *_) = complaints(MINIMAL.replace("  prod:", "  prod-eu:"), mounted(tmp_path))
    assert "targets.prod-eu.gateway.token: is given twice" in line


def test_entries_are_read_through_the_links_of_kubernetes(tmp_path: Path) -> None:
    """Every entry is a link through `..data`; when that is swapped, the new value is in force."""
    for stamp, value in (("..2026_1", "tl_old"), ("..2026_2", "tl_new")):
        (tmp_path / stamp).mkdir()
        (tmp_path / stamp / ENTRY).write_text(value)
    (tmp_path / "..data").symlink_to("..2026_1")
    (tmp_path / ENTRY).symlink_to(f"..data/{ENTRY}")
    read = loaded(WITHOUT_KEY, mounted(tmp_path))
    (target,) = read.settings.targets.values()
    assert traceloop_of(target).api_key.get() == "tl_old"
    (tmp_path / "..data_tmp").symlink_to("..2026_2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert traceloop_of(target).api_key.get() == "tl_new"
    assert not any("SECRETS_DIR" in warning for warning in read.warnings)


def test_entries_that_are_no_secrets_are_values(tmp_path: Path) -> None:
    """Whatever can be set can be set here."""
    (tmp_path / "targets__prod__traceloop__environment").write_text("stg\n")
    (tmp_path / "alerting__remind_every").write_text("[4h, 8h]\n")
    (tmp_path / "server__admin_token_file").write_text(f"{tmp_path}/token\n")
    (tmp_path / "token").write_text("from-file\n")
    read = settings(MINIMAL, mounted(tmp_path))
    assert traceloop_of(prod(MINIMAL, mounted(tmp_path))).environment == "stg"
    assert list(read.alerting.remind_every) == [14400, 28800]
    assert read.server.admin_token is not None
    assert read.server.admin_token.get() == "from-file"


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    """It was asked for."""
    assert complaints(MINIMAL, mounted(tmp_path / "gone")) == [
        "TRACE_MONITOR_SECRETS_DIR: cannot be read: No such file or directory"
    ]


def test_the_directory_is_relative_to_where_we_are(tmp_path: Path) -> None:
    """As every path in a variable."""
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / ENTRY).write_text("tl_mounted")
    environ = {"TRACE_MONITOR_SECRETS_DIR": "mounted"}
    assert traceloop_of(prod(WITHOUT_KEY, environ, tmp_path)).api_key.get() == "tl_mounted"


def test_an_entry_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    """With what was probably meant."""
    (tmp_path / "targets__prod__traceloop__api_kye").write_text("x")
    (tmp_path / "target__prod__gateway__token").write_text("x")
    assert complaints(MINIMAL, mounted(tmp_path)) == [
        f"{tmp_path}/target__prod__gateway__token: unknown name; did you mean targets__…?",
        (
            f"{tmp_path}/targets__prod__traceloop__api_kye: targets.prod.traceloop.api_kye: unknown key; "
            "did you mean `api_key`?"
        ),
    ]


def test_entries_of_others_are_one_warning(tmp_path: Path) -> None:
    """The directory may be shared; hidden entries and directories are passed over."""
    (tmp_path / "db_password").write_text("x")
    (tmp_path / "tls.crt").write_text("x")
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / "nested").mkdir()
    assert loaded(MINIMAL, mounted(tmp_path)).warnings[0] == (
        "files of TRACE_MONITOR_SECRETS_DIR that name no setting are ignored: db_password, tls.crt"
    )


def test_an_unusable_entry_is_reported_with_its_name(tmp_path: Path) -> None:
    """Not with what it holds."""
    (tmp_path / ENTRY).write_text("two words")
    os.mkfifo(tmp_path / "server__read_token")
    assert complaints(WITHOUT_KEY, mounted(tmp_path)) == [
        f"{tmp_path}/server__read_token: server.read_token: is not a regular file",
        (
            f"{tmp_path}/{ENTRY}: targets.prod.traceloop.api_key: holds a character that no secret has; "
            "allowed: visible ASCII characters without spaces"
        ),
    ]


def test_a_missing_secret_names_its_file_where_there_is_a_directory_of_secrets(tmp_path: Path) -> None:
    """Whoever mounts one is told the name of the file; nobody else is."""
    (line,) = complaints(WITHOUT_KEY, mounted(tmp_path))
    assert line.endswith(f"or, in the secrets directory, the file {ENTRY}")
    (line,) = complaints(WITHOUT_KEY)
    assert "secrets directory" not in line
