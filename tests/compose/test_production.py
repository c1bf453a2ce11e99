"""The monitor of `compose.yaml`, with its configuration to fill in and files of secrets, as the first steps of its guide run it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
SECRETS = (
    "targets__prod__control_plane__token",
    "targets__prod__traceloop__api_key",
    "alerting__slack__bot_token",
    "server__admin_token",
)
NO_BRIDGE = "services: {monitor: {network_mode: host}}"


def test_the_configuration_and_the_secrets_can_be_read_in_the_container(tmp_path: Path) -> None:
    """`run --rm monitor config validate`: the secrets are found, by the container's user, and none is shown."""
    compose = tmp_path / "deploy" / "compose"
    shutil.copytree(ROOT / "deploy" / "compose", compose, ignore=shutil.ignore_patterns("secrets"))
    (compose / "secrets" / "monitor").mkdir(parents=True)
    for name in SECRETS:
        (compose / "secrets" / "monitor" / name).write_text("made-up-for-a-test\n")
    (compose / "no-bridge.yaml").write_text(NO_BRIDGE)
    program = ROOT / ".venv-deploy" / "bin" / "podman-compose"
    files = [f"--file={compose / name}" for name in ("compose.yaml", "no-bridge.yaml")]
    ended = subprocess.run(
        [str(program), "--in-pod=false", *files, "run", "--rm", "--no-deps", "-T", "monitor", "config", "validate"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=os.environ | {"MONITOR_IMAGE": "localhost/gateway-trace-monitor:test"},
    )
    assert ended.returncode == 0, ended.stderr
    assert "the configuration is valid: 1 target (prod)" in ended.stdout
    assert "secrets directory: /secrets (4 entries)" in ended.stdout
    assert "made-up-for-a-test" not in ended.stdout + ended.stderr
