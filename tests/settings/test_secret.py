"""Secrets: form, twins, rotation, and that nothing shows them."""

import json
import logging
import os
import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from monitor.settings.model import build
from monitor.settings.secret import (
    STARS,
    HeaderSource,
    SecretSource,
    Unusable,
    UrlSource,
)
from tests.settings.samples import (
    MINIMAL,
    complaints,
    loaded,
    prod,
    settings,
    traceloop_of,
    with_target,
)

TWIN = MINIMAL.replace("api_key: tl_Secret_2", "api_key_file: key")


def write(directory: Path, content: bytes | str, name: str = "key") -> Path:
    """A secret file."""
    file = directory / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


# --- form ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["tl_key", "tl_key\n", "tl_key\r\n", "  tl_key \n\n", "\ttl_key"])
def test_secrets_are_stripped(tmp_path: Path, content: str) -> None:
    """Files end with newlines, also those of Windows."""
    write(tmp_path, content)
    assert traceloop_of(prod(TWIN, cwd=tmp_path)).api_key.get() == "tl_key"
    assert SecretSource(content).get() == "tl_key"


@pytest.mark.parametrize(
    "content", ["tl key", "tl\nkey", "tl\tkey", "tl_k\u00e9y", "tl\x00key", "\ufefftl_key", "tl_\u200bkey"], ids=ascii
)
def test_secrets_are_visible_ascii_without_spaces(tmp_path: Path, content: str) -> None:
    """A header could not carry anything else; the complaint does not repeat it."""
    write(tmp_path, content)
    assert complaints(TWIN, cwd=tmp_path) == [
        (
            "config.yaml:5: targets.prod.traceloop.api_key_file: holds a character that no secret has; "
            "allowed: visible ASCII characters without spaces"
        )
    ]


@pytest.mark.parametrize("content", ["", "\n", "  \r\n"], ids=ascii)
def test_an_empty_secret_is_an_error(tmp_path: Path, content: str) -> None:
    """Whether the file is empty or holds a newline only."""
    write(tmp_path, content)
    assert complaints(TWIN, cwd=tmp_path) == ["config.yaml:5: targets.prod.traceloop.api_key_file: is empty"]


def test_a_secret_file_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    """A key store in place of a key."""
    write(tmp_path, b"\xff\xfe\x00")
    assert complaints(TWIN, cwd=tmp_path) == ["config.yaml:5: targets.prod.traceloop.api_key_file: is not text"]


def test_a_huge_secret_file_is_an_error(tmp_path: Path) -> None:
    """It is not read to its end."""
    write(tmp_path, b"x" * 70_000)
    assert complaints(TWIN, cwd=tmp_path)[0].endswith("api_key_file: is larger than 64 KiB")


def test_a_secret_file_that_is_missing_is_an_error_that_does_not_repeat_its_name() -> None:
    """Somebody may have put the secret itself where the name of its file belongs."""
    assert complaints(MINIMAL.replace("api_key: tl_Secret_2", "api_key_file: tl_Secret_2")) == [
        "config.yaml:5: targets.prod.traceloop.api_key_file: cannot be read: No such file or directory"
    ]


def test_a_directory_in_place_of_a_secret_file_is_an_error(tmp_path: Path) -> None:
    """Docker makes a directory of a mount whose source is missing."""
    (tmp_path / "key").mkdir()
    assert complaints(TWIN, cwd=tmp_path)[0].endswith("api_key_file: cannot be read: Is a directory")


def test_a_pipe_in_place_of_a_secret_file_does_not_hang(tmp_path: Path) -> None:
    """Opening a pipe that nobody writes to would wait for ever."""
    os.mkfifo(tmp_path / "key")
    assert complaints(TWIN, cwd=tmp_path)[0].endswith("api_key_file: is not a regular file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_secret_file_is_an_error(tmp_path: Path) -> None:
    """Permissions are reported in words."""
    write(tmp_path, "x").chmod(0)
    assert complaints(TWIN, cwd=tmp_path)[0].endswith("api_key_file: cannot be read: Permission denied")


def test_a_path_that_no_file_can_have_is_an_error() -> None:
    """A NUL would be a traceback otherwise."""
    with pytest.raises(Unusable, match="cannot be read: no such file"):
        SecretSource.from_file(Path("a\0b"))


def test_a_header_may_hold_blanks_inside() -> None:
    """`Basic abc` is one value."""
    assert HeaderSource(" Basic  abc ").get() == "Basic  abc"
    for wrong in ("", " ", "a\tb", "a\nb", "\u00e9"):
        with pytest.raises(Unusable):
            HeaderSource(wrong)


def test_a_secret_url_must_be_a_url(tmp_path: Path) -> None:
    """It may have a query; it is not repeated when it is wrong."""
    assert UrlSource("https://hooks.example.com/T0/B0?x=1").get() == "https://hooks.example.com/T0/B0?x=1"
    write(tmp_path, "hooks.example.com/T0/SECRET")
    (line,) = complaints(MINIMAL + "heartbeat: {url_file: key}\n", cwd=tmp_path)
    assert line == "config.yaml:6: heartbeat.url_file: is not a URL; allowed: https://host[:port][/path], or http://"


def test_header_values_may_come_from_files(tmp_path: Path) -> None:
    """{file: …} takes the place of the twin where the names are free."""
    write(tmp_path, "scope one\n")
    target = prod(with_target("expected: {headers: {X-Scope: {file: key}, X-Other: plain}}"), cwd=tmp_path)
    assert {name: value.get() for name, value in target.expected.headers.items()} == {
        "X-Scope": "scope one",
        "X-Other": "plain",
    }


def test_only_a_file_may_stand_in_place_of_a_header_value() -> None:
    """The keys that were given are not repeated: they may be the secret."""
    (line,) = complaints(with_target("expected: {headers: {X-Scope: {tl_Secret_9: x}}}"))
    assert line.endswith("headers.X-Scope: is a mapping where a secret belongs; allowed: a text, or {file: …}")


# --- twins -----------------------------------------------------------------------------------------------------------


def test_both_a_secret_and_its_twin_in_one_layer_are_an_error(tmp_path: Path) -> None:
    """Which of the two is meant cannot be known."""
    write(tmp_path, "other")
    text = MINIMAL.replace("api_key: tl_Secret_2", "api_key: tl_Secret_2, api_key_file: key")
    assert complaints(text, cwd=tmp_path) == [
        (
            "config.yaml:5: targets.prod.traceloop.api_key_file: is given beside `api_key` (config.yaml:5); "
            "one of the two is allowed in one place"
        )
    ]
    twins = {"TRACE_MONITOR_SERVER__ADMIN_TOKEN": "a", "TRACE_MONITOR_SERVER__ADMIN_TOKEN_FILE": str(tmp_path / "key")}
    assert complaints(MINIMAL, twins) == [
        (
            "TRACE_MONITOR_SERVER__ADMIN_TOKEN_FILE: server.admin_token_file: is given beside `admin_token` "
            "(TRACE_MONITOR_SERVER__ADMIN_TOKEN); one of the two is allowed in one place"
        )
    ]


@pytest.mark.parametrize("order", [("api_key: null", "api_key_file: key"), ("api_key_file: key", "api_key: null")])
def test_a_null_beside_a_twin_counts_as_not_given(tmp_path: Path, order: tuple[str, str]) -> None:
    """As in the documented example, where the unused one is null; in either order."""
    write(tmp_path, "from-file")
    text = MINIMAL.replace("api_key: tl_Secret_2", ", ".join(order))
    assert traceloop_of(prod(text, cwd=tmp_path)).api_key.get() == "from-file"
    text = MINIMAL.replace("api_key: tl_Secret_2", "api_key: tl_x, api_key_file: null")
    assert traceloop_of(prod(text)).api_key.get() == "tl_x"


def test_of_a_secret_and_its_twin_the_higher_layer_wins(tmp_path: Path) -> None:
    """A file over a value, and a value over a file."""
    write(tmp_path, "from-file")
    variable = "TRACE_MONITOR_TARGETS__PROD__TRACELOOP__API_KEY"
    assert traceloop_of(prod(MINIMAL, {f"{variable}_FILE": str(tmp_path / "key")})).api_key.get() == "from-file"
    assert traceloop_of(prod(TWIN, {variable: "from-variable"}, tmp_path)).api_key.get() == "from-variable"


def test_the_file_of_a_weaker_layer_is_not_even_read() -> None:
    """What is overridden may be missing."""
    assert traceloop_of(prod(TWIN, {"TRACE_MONITOR_TARGETS__PROD__TRACELOOP__API_KEY": "k"})).api_key.get() == "k"


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("alerting.slack.bot_token", "alerting: {slack: {bot_token_file: key, channel: C1}}"),
        ("alerting.slack.webhook_url", "alerting: {slack: {webhook_url_file: url}}"),
        ("alerting.webhook.url", "alerting: {webhook: {url_file: url}}"),
        ("alerting.webhook.secret", "alerting: {webhook: {secret_file: key}}"),
        ("heartbeat.url", "heartbeat: {url_file: url}"),
        ("server.admin_token", "server: {admin_token_file: key}"),
        ("server.read_token", "server: {read_token_file: key}"),
    ],
)
def test_every_secret_has_a_twin(tmp_path: Path, path: str, section: str) -> None:
    """Named like the secret, with `_file` behind."""
    write(tmp_path, "from-file")
    write(tmp_path, "https://hooks.example.com/from-file", "url")
    found: object = settings(f"{MINIMAL}{section}\n", cwd=tmp_path)
    for part in path.split("."):
        found = getattr(found, part)
    assert isinstance(found, SecretSource)
    assert found.get().endswith("from-file")


def test_every_secret_of_a_target_has_a_twin(tmp_path: Path) -> None:
    """Control plane, gateway, key, and the keys of the other environments."""
    write(tmp_path, "from-file")
    target = prod(
        """
targets:
  prod:
    control_plane: {url: https://acme.truefoundry.cloud, token_file: key}
    gateway: {model: m, token_file: key}
    traceloop: {api_key_file: key, environment: prd, other_environments: {stg: {api_key_file: key}}}
""",
        cwd=tmp_path,
    )
    assert target.control_plane is not None
    held = (target.control_plane.token, target.gateway.token, traceloop_of(target).api_key)
    other = traceloop_of(target).other_environments["stg"].api_key
    assert [secret.get() for secret in (*held, other)] == ["from-file"] * 4


# --- rotation --------------------------------------------------------------------------------------------------------


def test_a_secret_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """Rotation needs no restart, also when the new key is as long as the old one."""
    file = write(tmp_path, "old-key\n")
    secret = traceloop_of(prod(TWIN, cwd=tmp_path)).api_key
    assert secret.get() == "old-key"
    before = file.stat()
    file.write_text("new-key\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert secret.get() == "new-key"


@pytest.mark.parametrize("broken", ["gone", "empty", "garbled"])
def test_an_unreadable_file_keeps_the_last_good_value_and_reports_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    """At run time a broken file is no reason to stop; the log and the page say so until it is fixed."""
    file = write(tmp_path, "good-key\n")
    secret = SecretSource.from_file(file)
    if broken == "gone":
        file.unlink()
    else:
        file.write_text("" if broken == "empty" else "half written key")
    with caplog.at_level(logging.INFO):
        assert [secret.get() for _ in range(3)] == ["good-key"] * 3
        assert str(file) in str(secret.problem)
        assert len(caplog.records) == 1
        assert "half written key" not in caplog.text
        file.write_text("next-key\n")
        assert secret.get() == "next-key"
    assert secret.problem is None
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_rotated_url_must_be_a_url_too(tmp_path: Path) -> None:
    """What is read later is held to the same rules."""
    file = write(tmp_path, "https://hooks.example.com/1")
    secret = UrlSource.from_file(file)
    file.write_text("nonsense")
    assert secret.get() == "https://hooks.example.com/1"
    assert "is not a URL" in str(secret.problem)


# --- never shown -----------------------------------------------------------------------------------------------------


def test_nothing_that_prints_settings_shows_a_secret(tmp_path: Path) -> None:
    """repr, str, format, JSON and plain dumps."""
    write(tmp_path, "tl_Secret_File")
    text = MINIMAL + "server: {admin_token_file: key}\nhttp: {proxy: 'http://user:tl_Secret_Proxy@proxy:3128'}\n"
    read = loaded(text, cwd=tmp_path)
    dumped = read.settings.model_dump(mode="python", exclude={"http"})
    shown = f"{read!r} {read} {read.settings} {dumped!r} {json.dumps(dumped, default=str)}"
    shown += read.settings.model_dump_json(exclude={"http"})
    for secret in ("tfy-Secret-1", "tl_Secret_2", "tl_Secret_File", "tl_Secret_Proxy"):
        assert secret not in shown
    assert STARS in shown


def test_not_even_pydantics_own_error_quotes_what_was_given() -> None:
    """Should one ever be printed as it is."""
    with pytest.raises(ValidationError) as refused:
        build([{"targets": {}, "log": {"level": "tl_Secret_9"}}])
    assert "Secret" not in str(refused.value)


def test_secrets_are_compared_by_where_they_come_from(tmp_path: Path) -> None:
    """A changed value is a change of the configuration; a rotated file is not."""
    file = write(tmp_path, "a")
    first = SecretSource.from_file(file)
    file.write_text("b")
    assert first == SecretSource.from_file(file)
    assert hash(first) == hash(SecretSource.from_file(file))
    assert SecretSource("a") == SecretSource("a")
    assert SecretSource("a") != SecretSource("b")
    assert SecretSource("a") != SecretSource.from_file(write(tmp_path, "a", "other"))
    assert SecretSource("a") != "a"


def test_a_secret_is_not_in_the_repr_of_what_is_on_its_way() -> None:
    """A traceback that prints local values must not either."""
    assert "Secret" not in repr(SecretSource("x-Secret-x")).replace("SecretSource", "")
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        json.dumps(SecretSource("x"))
