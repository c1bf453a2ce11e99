"""What `check` and `doctor` refuse alike before anybody is asked."""

from pathlib import Path

import pytest
import trustme

from monitor.cli import UsageError
from monitor.cli.common import prepare
from monitor.settings import parse
from tests.cli.usage import usage_error
from tests.settings.samples import MINIMAL

Out = pytest.CaptureFixture[str]

both = pytest.mark.parametrize("command", ["check", "doctor"])


def configured(tmp_path: Path, more: str = "") -> str:
    """A configuration file of one target, `prod`."""
    file = tmp_path / "config.yaml"
    file.write_text(MINIMAL + more)
    return str(file)


@both
@pytest.mark.parametrize("length", ["soon", "-3"])
def test_a_timeout_that_is_no_duration_is_refused(command: str, length: str, capsys: Out) -> None:
    """With what is wrong about it."""
    assert "argument --timeout: " in usage_error(capsys, command, "--timeout", length)


@both
def test_a_target_that_is_not_there_is_refused(command: str, tmp_path: Path, capsys: Out) -> None:
    """And those that are there are named."""
    said = usage_error(capsys, command, "--config", configured(tmp_path), "--target", "stage")
    assert said.endswith("--target stage: there is no such target; allowed: prod\n")


@both
def test_a_bad_configuration_is_refused(command: str, tmp_path: Path, capsys: Out) -> None:
    """One readable line, with file, line and path."""
    file = configured(tmp_path, "log: {level: loud}\n")
    assert f"{file}:6: log.level" in usage_error(capsys, command, "--config", file)


@both
def test_a_configuration_that_is_not_there_is_refused(command: str, tmp_path: Path, capsys: Out) -> None:
    """By its name."""
    file = str(tmp_path / "none.yaml")
    assert usage_error(capsys, command, "--config", file).startswith(file)


@both
def test_a_certificate_file_that_is_not_there_is_refused(command: str, tmp_path: Path, capsys: Out) -> None:
    """By its setting's name."""
    file = configured(tmp_path, "http: {ca_file: /nowhere/ca.pem}\n")
    assert "http.ca_file" in usage_error(capsys, command, "--config", file)


@both
def test_a_certificate_file_that_holds_none_is_refused(command: str, tmp_path: Path, capsys: Out) -> None:
    """Any file is not good enough."""
    authority = tmp_path / "ca.pem"
    authority.write_text("this is no certificate\n")
    file = configured(tmp_path, f"http: {{ca_file: {authority}}}\n")
    assert "http.ca_file: holds no certificates in PEM" in usage_error(capsys, command, "--config", file)


def test_a_ca_file_that_vanishes_after_it_was_read_is_said_by_its_setting(tmp_path: Path) -> None:
    """Between the validation and the first request it may be exchanged: no traceback."""
    ca_file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(ca_file))
    loaded = parse(f"{MINIMAL}http: {{ca_file: {ca_file}}}\n", {}, tmp_path)
    ca_file.unlink()
    with pytest.raises(UsageError, match=r"http\.ca_file: .*ca\.pem cannot be used: No such file"):
        prepare(loaded)
