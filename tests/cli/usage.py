"""Command lines that are refused."""

import pytest

from monitor.cli import main


def usage_error(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What is said when a command line is refused with 2."""
    try:
        code = main([*words])
    except SystemExit as end:
        code = end.code  # type: ignore[assignment]  # argparse exits by itself
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    return err
