"""`expected`: the manifest and the form."""

import json
from pathlib import Path

import pytest
import yaml

from monitor.cli import main
from tests.settings.samples import MINIMAL

TWO = MINIMAL + MINIMAL.replace("targets:\n  prod:", "  stage:").replace("environment: prd", "environment: stg")


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Two targets."""
    path = tmp_path / "config.yaml"
    path.write_text(TWO)
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command prints, and that it went well."""
    assert main(["expected", *words]) == 0
    return capsys.readouterr().out


def test_the_manifest_is_yaml_for_tfy_apply(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The default format; the key is a placeholder."""
    out = run(capsys, "--target", "prod", "--config", file)
    assert yaml.safe_load(out) == {
        "name": "otel-config",
        "type": "gateway-otel-config",
        "otel_traces_exporter_config": {
            "type": "http",
            "endpoint": "https://api.traceloop.com/v1/traces",
            "encoding": "proto",
            "headers": {"Authorization": "Bearer <the Traceloop API key>"},
        },
    }
    assert "Secret" not in out


def test_the_key_is_printed_only_if_asked_for(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With --reveal, in every format."""
    for form in ("yaml", "json", "table"):
        assert "tl_Secret_2" not in run(capsys, "--format", form, "--config", file)
        assert "Bearer tl_Secret_2" in run(capsys, "--format", form, "--reveal", "--config", file)


def test_a_placeholder_that_goes_to_a_file_is_warned_of(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Or somebody applies it, and the export stops; nothing is warned of where the key is real."""
    assert main(["expected", "--config", file]) == 0
    assert "applying this would stop the export: add --reveal" in capsys.readouterr().err
    assert main(["expected", "--reveal", "--config", file]) == 0
    assert "placeholder" not in capsys.readouterr().err


def test_only_what_holds_a_placeholder_and_can_be_applied_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Phoenix without authentication has no secret; a table is for eyes; of two targets one is enough."""
    phoenix = "    phoenix: {url: 'http://phoenix:6006'}\n"
    lines = MINIMAL.splitlines(keepends=True)
    lines = [phoenix if line.lstrip().startswith("traceloop:") else line for line in lines]
    path = tmp_path / "config.yaml"
    path.write_text("".join(lines))
    assert main(["expected", "--config", str(path)]) == 0
    out, err = capsys.readouterr()
    assert yaml.safe_load(out)["otel_traces_exporter_config"]["headers"] == {}
    assert err == ""
    path.write_text(TWO)
    assert main(["expected", "--format", "table", "--config", str(path)]) == 0
    assert capsys.readouterr().err == ""
    path.write_text("".join(lines) + MINIMAL.replace("targets:\n  prod:", "  stage:"))
    for form, warned in (("yaml", True), ("json", True), ("table", False)):
        assert main(["expected", "--format", form, "--config", str(path)]) == 0
        assert ("placeholders stand for secrets" in capsys.readouterr().err) is warned


def test_no_secret_is_needed_for_what_shows_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whom a message asks to run it may have the configuration and not the secrets."""
    path = tmp_path / "config.yaml"
    path.write_text(MINIMAL.replace("token: tfy-Secret-1", "token_file: /nowhere/token"))
    assert "Bearer <the Traceloop API key>" in run(capsys, "--config", str(path))
    assert main(["expected", "--reveal", "--config", str(path)]) == 2
    assert "control_plane.token_file" in capsys.readouterr().err


def test_several_targets_are_several_documents(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its name above it; as JSON one object by name."""
    out = run(capsys, "--config", file)
    assert [document["type"] for document in yaml.safe_load_all(out)] == ["gateway-otel-config"] * 2
    assert "# target prod\n" in out
    assert "# target stage\n" in out
    assert list(json.loads(run(capsys, "--format", "json", "--config", file))) == ["prod", "stage"]


def test_json_of_one_target_is_the_manifest_itself(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """So that it can be applied as it is."""
    out = run(capsys, "--format", "json", "--target", "stage", "--config", file)
    assert json.loads(out)["type"] == "gateway-otel-config"


def test_the_table_is_that_of_the_dashboards_form(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Field by field, as the guide has it."""
    out = run(capsys, "--format", "table", "--target", "prod", "--config", file)
    assert out == (
        "prod (AI Gateway → Controls → Settings → OTEL Config)\n"
        "  Traces exporter       enabled\n"
        "  Protocol              HTTP\n"
        "  Endpoint              https://api.traceloop.com/v1/traces\n"
        "  Encoding              Proto\n"
        "  Header                Authorization: Bearer <the Traceloop API key>\n"
        "  Exclude request data  not checked\n"
        "  Metrics exporter      disabled\n"
    )


def test_an_unknown_target_is_a_mistake_of_usage(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the names that there are."""
    assert main(["expected", "--target", "prd", "--config", file]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("--target prd: there is no such target; allowed: prod, stage\n")
