"""Junk in, one kind of error out, and never a secret in it."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.settings import ConfigError, load, parse
from monitor.settings.problem import KeyPath
from monitor.settings.schema import Kind, Setting, whole
from monitor.settings.show import show
from monitor.settings.sources import PREFIX, variable
from tests.settings.samples import BY_ENVIRONMENT, MINIMAL, NOWHERE

SECRET = "tl_5ecret0f9f86d081884c7d659a2feaa0c55ad015"
FAST = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def places(setting: Setting, path: KeyPath = ()) -> list[KeyPath]:
    """Every place of the settings, with one target and one key per mapping."""
    below = {"prod": setting.each} if setting.kind is Kind.MAPPING else setting.keys
    twins = [(*path, name) for name in setting.names() if name not in setting.keys]
    return [path, *twins, *(place for name, each in below.items() for place in places(each, (*path, name)))]


PLACES = [place for place in places(whole()) if place]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["1h", "https://x", "http://x", "prd", "[", "{", "*", "&a", "!x", "null", "~", "0x1", "1:30", "on"]
    ),
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def outcome(text: str, environ: dict[str, str] | None = None) -> tuple[str, str]:
    """What the loader says when it refuses, or else what it shows. Anything but ConfigError escapes and fails the test."""
    try:
        loaded = parse(text, environ or {}, NOWHERE, name="junk.yaml")
    except ConfigError as error:
        return f"{error} {error!r}", ""
    return "", show(loaded)


def put(tree: dict[str, Any], path: KeyPath, value: Any) -> dict[str, Any]:
    """A copy of a tree with a value at a path."""
    head, *rest = path
    below = tree.get(str(head))
    inner = put(below if isinstance(below, dict) else {}, tuple(rest), value) if rest else value
    return {**tree, str(head): inner}


@given(st.text(max_size=300))
@FAST
def test_any_text_is_refused_in_words(text: str) -> None:
    """No text is a configuration by chance, and none makes the loader stumble."""
    assert any(outcome(text))


@given(st.binary(max_size=300))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_refused_in_words(tmp_path: Path, content: bytes) -> None:
    """A file may hold anything."""
    file = tmp_path / "junk.yaml"
    file.write_bytes(content)
    with contextlib.suppress(ConfigError):
        load(str(file), {}, tmp_path)


@given(st.text(alphabet="abt:-[]{}&*!|>'\"%@`#, \n\t\\?<~0", max_size=120))
@FAST
def test_any_punctuation_is_refused_in_words(text: str) -> None:
    """What YAML is made of, in any order, inside the settings."""
    assert any(outcome(f"targets:\n  prod: {text}\n"))


@given(st.sampled_from(PLACES), trees)
@FAST
def test_any_value_in_any_place_is_taken_or_refused_in_words(place: KeyPath, value: Any) -> None:
    """Also the kinds of value that nobody thought of."""
    tree = put(yaml.safe_load(MINIMAL), place, value)
    assert any(outcome(json.dumps(tree)))
    assert any(outcome(yaml.safe_dump(tree, allow_unicode=True)))


@given(st.dictionaries(st.text(max_size=30), st.text(max_size=30), max_size=4))
@FAST
def test_any_environment_is_taken_or_refused_in_words(environ: dict[str, str]) -> None:
    """With our prefix and without."""
    assert any(outcome(MINIMAL, environ | {f"{PREFIX}{name}": value for name, value in environ.items()}))


@given(st.sampled_from(PLACES), st.text(max_size=40))
@FAST
def test_any_text_in_any_variable_is_taken_or_refused_in_words(place: KeyPath, text: str) -> None:
    """Every setting has a variable."""
    assert any(outcome("", BY_ENVIRONMENT | {variable(place): text}))


wrappings = st.sampled_from(
    [
        SECRET,
        [SECRET],
        {SECRET: SECRET},
        {"file": SECRET},
        [{SECRET: [SECRET]}],
        f"https://{SECRET}@host/",
        f"https://host/{SECRET}?q",
        f"{SECRET}: {SECRET}",
        f"{{{SECRET}",
        f"*{SECRET}",
        f"Bearer {SECRET} x",
        {"value": SECRET, "key": SECRET},
    ]
)


@given(st.lists(st.tuples(st.sampled_from(PLACES), wrappings), min_size=1, max_size=3))
@FAST
def test_a_secret_in_a_wrong_place_never_appears_in_a_complaint(slips: list[tuple[KeyPath, Any]]) -> None:
    """Wherever it was put, in whatever wrapping."""
    tree = yaml.safe_load(MINIMAL)
    for place, value in slips:
        tree = put(tree, place, value)
    for text in (json.dumps(tree), yaml.safe_dump(tree)):
        assert SECRET not in outcome(text)[0]


@given(st.sampled_from(PLACES), wrappings)
@FAST
def test_a_secret_in_a_wrong_variable_never_appears_in_a_complaint(place: KeyPath, value: Any) -> None:
    """The name of the variable does, its value does not."""
    text = value if isinstance(value, str) else json.dumps(value)
    environ = BY_ENVIRONMENT | {variable(place): text}
    assert SECRET not in outcome("", environ)[0]
    with contextlib.suppress(ConfigError):
        assert SECRET not in "\n".join(parse("", environ, NOWHERE).warnings)


@given(st.sampled_from(PLACES), wrappings)
@FAST
def test_a_secret_that_is_also_in_its_proper_place_is_masked_everywhere(place: KeyPath, value: Any) -> None:
    """Then it is known, so not even the effective settings show it."""
    text = MINIMAL.replace("tl_Secret_2", SECRET)
    assert SECRET not in str(outcome(json.dumps(put(yaml.safe_load(text), place, value))))


@given(
    st.integers(min_value=0, max_value=len(MINIMAL)), st.text(alphabet="'\"{}[]:,&*!\n\t x-", min_size=1, max_size=4)
)
@FAST
def test_a_damaged_file_never_shows_its_secrets(at: int, damage: str) -> None:
    """A slip of the keyboard anywhere in a file."""
    text = MINIMAL.replace("tl_Secret_2", SECRET)
    refused, _ = outcome(text[:at] + damage + text[at:])
    assert SECRET[5:20] not in refused
    assert SECRET[-15:] not in refused


ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, 10**30, "", "x", "a b", "1h", "0s", "null", "on", "critical", "grpc", "mon-fri", "1:30"),
    *("https://x", "http://x", "https://169.254.169.254/", "h:443", "Bearer tl_x", "${X}", "'q'", "<!here>", "a" * 70),
    *([], ["1h", "x"], {}, {"a": "b"}, [{"a": 1}], {"file": "/nowhere/x"}, [12, 3], SECRET, [SECRET], {SECRET: SECRET}),
]


@pytest.mark.thorough
@pytest.mark.parametrize("value", ODD, ids=ascii)
def test_every_odd_value_in_every_place_is_taken_or_refused_in_words(value: Any) -> None:
    """In the file and in a variable, with its secrets and without them; a secret in a wrong place is in no complaint."""
    for place in PLACES:
        in_file = json.dumps(put(yaml.safe_load(MINIMAL), place, value))
        environ = BY_ENVIRONMENT | {variable(place): value if isinstance(value, str) else json.dumps(value)}
        for text, variables in ((in_file, {}), ("", environ)):
            refused, shown = outcome(text, variables)
            assert refused or shown
            assert SECRET not in refused
        with contextlib.suppress(ConfigError):
            parse(in_file, {}, NOWHERE, open_files=False)
