"""A configuration on a machine that has none of its secrets."""

from pathlib import Path

import pytest

from monitor.cli import main
from monitor.settings import load
from tests.settings.samples import MINIMAL

Out = pytest.CaptureFixture[str]

BARE = """\
targets:
  prod:
    control_plane: {url: https://acme.truefoundry.cloud, token_file: /nowhere/token}
    gateway: {model: openai-main/gpt-4o-mini}
    traceloop: {environment: prd, other_environments: {stg: {}}}
    expected: {headers: {X-Scope: {file: /nowhere/scope}}}
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
    out, _ = capsys.readouterr()
    assert out.startswith(
        "the configuration is valid apart from its secrets, which were not looked at: 2 targets (prod, edge)\n"
    )


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
