"""A mounted secrets directory."""

import os
from pathlib import Path

import pytest

from tests.settings.samples import MINIMAL, complaints, loaded, prod, settings

WITHOUT_KEY = MINIMAL.replace("api_key: tl_Secret_2, ", "")
ENTRY = "targets__prod__traceloop__api_key"


def mounted(directory: Path) -> dict[str, str]:
    """The environment that names the directory."""
    return {"TRACE_MONITOR_SECRETS_DIR": str(directory)}


def test_an_entry_fills_a_nested_secret(tmp_path: Path) -> None:
    """Its name is the path, its content the value, without the newline at the end."""
    (tmp_path / ENTRY).write_text("tl_mounted\r\n")
    assert prod(WITHOUT_KEY, mounted(tmp_path)).traceloop.api_key.get() == "tl_mounted"


@pytest.mark.parametrize("name", ["targets__prod-eu__traceloop__api_key", "targets__prod_eu__traceloop__api_key"])
def test_a_targets_name_may_be_written_with_a_dash(tmp_path: Path, name: str) -> None:
    """Names of files can hold a dash, so both spellings are understood."""
    (tmp_path / name).write_text("tl_mounted")
    read = settings(WITHOUT_KEY.replace("  prod:", "  prod-eu:"), mounted(tmp_path))
    (target,) = read.targets.values()
    assert target.traceloop.api_key.get() == "tl_mounted"


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
    assert target.traceloop.api_key.get() == "tl_old"
    (tmp_path / "..data_tmp").symlink_to("..2026_2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert target.traceloop.api_key.get() == "tl_new"
    assert not any("SECRETS_DIR" in warning for warning in read.warnings)


def test_entries_that_are_no_secrets_are_values(tmp_path: Path) -> None:
    """Whatever can be set can be set here."""
    (tmp_path / "targets__prod__traceloop__environment").write_text("stg\n")
    (tmp_path / "alerting__remind_every").write_text("[4h, 8h]\n")
    (tmp_path / "server__admin_token_file").write_text(f"{tmp_path}/token\n")
    (tmp_path / "token").write_text("from-file\n")
    read = settings(MINIMAL, mounted(tmp_path))
    assert prod(MINIMAL, mounted(tmp_path)).traceloop.environment == "stg"
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
    assert prod(WITHOUT_KEY, environ, tmp_path).traceloop.api_key.get() == "tl_mounted"


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


def test_an_unusable_entry_is_told_with_its_name(tmp_path: Path) -> None:
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
