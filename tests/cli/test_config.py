"""`config validate`, `config show`, `config schema`."""

import json
from pathlib import Path

import pytest

from monitor.cli import main
from monitor.settings.schema import json_schema
from tests.settings.samples import MINIMAL


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A small configuration."""
    path = tmp_path / "config.yaml"
    path.write_text(MINIMAL)
    return str(path)


@pytest.fixture
def bad_file(tmp_path: Path) -> str:
    """One with two mistakes, one of them a secret in a wrong place."""
    path = tmp_path / "bad.yaml"
    path.write_text(MINIMAL + "log: {level: tl_Secret_9}\nserver: {port: x}\n")
    return str(path)


def test_validate_says_what_was_read_and_what_it_costs(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The arithmetic stands beside the vendors' free plans."""
    assert main(["config", "validate", "--config", file]) == 0
    out, err = capsys.readouterr()
    assert out == (
        "the configuration is valid: 1 target (prod)\n"
        f"  file: {file}\n"
        "\n"
        "prod: in a month of 30 days\n"
        "  requests: 288 canaries a day x 30 = 8,640, 17% of the free plan\n"
        "            at most 500 canaries a day x 30 = 15,000, 30% of the free plan\n"
        "            (TrueFoundry's free plan: 50,000 requests a month)\n"
        "  spans:    (288 canaries x 3 spans + 48 test spans) a day x 30 = 27,360, 55% of the free plan\n"
        "            at most (500 canaries x 3 spans + 48 test spans) a day x 30 = 46,440, 93% of the free plan\n"
        "            (Traceloop's free plan: 50,000 spans a month, kept for 24 h)\n"
        "  reads:    288 canaries x 3 requests a day x 30 = 25,920\n"
        "            (at most 8 MiB each; Traceloop publishes no limit for its read API)\n"
    )
    assert err.startswith("warning: no notifier is configured")


def test_validate_names_every_place_that_was_read(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Variables by name, never by value."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    (mounted / "log__format").write_text("json")
    monkeypatch.setenv("TRACE_MONITOR_SECRETS_DIR", str(mounted))
    monkeypatch.setenv("TRACE_MONITOR_SERVER__READ_TOKEN", "tl_Secret_8")
    assert main(["config", "validate", "--config", file]) == 0
    out, _ = capsys.readouterr()
    assert f"  secrets directory: {mounted} (1 entry)\n" in out
    assert "  environment: TRACE_MONITOR_SERVER__READ_TOKEN\n" in out
    assert "tl_Secret_8" not in out


def test_without_a_file_the_environment_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And it is said that there was no file."""
    monkeypatch.chdir(tmp_path)
    given = {
        "GATEWAY__URL": "https://gw.example.com",
        "GATEWAY__TOKEN": "a",
        "GATEWAY__MODEL": "m",
        "TRACELOOP__API_KEY": "b",
        "TRACELOOP__ENVIRONMENT": "prd",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"TRACE_MONITOR_TARGETS__PROD__{name}", value)
    assert main(["config", "validate"]) == 0
    assert "  file: none\n" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["config", "validate"], ["config", "show"], ["expected"]])
def test_a_bad_configuration_ends_with_2(bad_file: str, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One readable line per mistake on stderr, nothing on stdout, no secret anywhere."""
    assert main([*command, "--config", bad_file]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"{bad_file}:6: log.level: is not one of the words allowed here; allowed: debug, info, warning, error\n"
        f"{bad_file}:7: server.port: is not a whole number\n"
    )


@pytest.mark.parametrize("command", [["config", "validate"], ["config", "show"], ["expected"]])
def test_a_missing_file_ends_with_2(tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Not with a traceback."""
    assert main([*command, "--config", str(tmp_path / "gone.yaml")]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{tmp_path}/gone.yaml: cannot be read: No such file or directory\n")


def test_show_prints_effective_values_with_their_sources(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Secrets masked."""
    assert main(["config", "show", "--config", file]) == 0
    out, _ = capsys.readouterr()
    rows = {tuple(part.strip() for part in line.split(" # ")) for line in out.splitlines() if " # " in line}
    assert ("model: openai-main/gpt-4o-mini", f"{file}:4") in rows
    assert ("endpoint: https://api.traceloop.com/v1/traces", "derived: {traceloop.url}/v1/traces") in rows
    assert ("every: 5m", "built-in") in rows
    assert "Secret" not in out


def test_schema_prints_the_schema_without_a_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is JSON and nothing else."""
    monkeypatch.chdir(tmp_path)
    assert main(["config", "schema"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == json_schema()
    assert err == ""


@pytest.mark.parametrize("words", [["config"], ["config", "shwo"], ["config", "show", "--confg", "x"]])
def test_wrong_usage_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """As everywhere."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""
