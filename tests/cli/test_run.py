"""`trace-monitor run`, as far as it refuses to; what it does is tested in tests/process."""

from pathlib import Path

import pytest

from monitor.cli import main
from monitor.cli.run import code_of
from monitor.store import StoreError
from monitor.web.server import WebError
from tests.settings.samples import MINIMAL

Out = pytest.CaptureFixture[str]


async def a_life(end: Exception | None) -> None:
    """Of a daemon: until somebody asks it to stop, or something goes wrong."""
    if end is not None:
        raise end


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (None, 0),
        (StoreError("the state cannot be kept"), 2),
        (WebError("the port is taken"), 2),
        (RuntimeError("a bug"), 1),
        (ExceptionGroup("tasks", [ValueError("a bug")]), 1),
    ],
)
def test_the_exit_code_says_how_it_ended(
    end: Exception | None, code: int, capsys: Out, caplog: pytest.LogCaptureFixture
) -> None:
    """0 when it was asked to, 2 where it cannot work as configured, 1 after a crash, whose traceback is logged."""
    assert code_of(a_life(end)) == code
    assert capsys.readouterr() == ("", f"{end}\n" if code == 2 else "")
    assert [record.exc_info is not None for record in caplog.records] == ([True] if code == 1 else [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "config.yaml"),
        ("targets: [\n", "config.yaml:"),
        ("- a\n- b\n", "config.yaml"),
        (MINIMAL + "log: {level: loud}\n", "config.yaml:6: log.level"),
        (MINIMAL + "server: {prot: 1}\n", "config.yaml:6: server.prot"),
        (MINIMAL.replace("prod:", "PROD:"), "config.yaml:2: targets.PROD"),
    ],
)
def test_a_bad_configuration_is_refused(text: str, said: str, tmp_path: Path, capsys: Out) -> None:
    """Exit code 2, one readable line with its place, no secret, nothing on stdout."""
    file = tmp_path / "config.yaml"
    file.write_text(text)
    assert main(["run", "--config", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "Traceback" not in err
    assert "tl_Secret_2" not in err


def test_bytes_that_are_no_text_are_refused(tmp_path: Path, capsys: Out) -> None:
    """Whatever the file holds."""
    file = tmp_path / "config.yaml"
    file.write_bytes(b"\x00\xff\xfe")
    assert main(["run", "--config", str(file)]) == 2
    assert str(file) in capsys.readouterr().err


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path: Path, capsys: Out) -> None:
    """By its name."""
    assert main(["run", "--config", str(tmp_path / "none.yaml")]) == 2
    assert str(tmp_path / "none.yaml") in capsys.readouterr().err
