"""YAML without its surprises."""

import pytest

from monitor.settings.document import Layer, Origin, Text, Tree, read_document
from monitor.settings.problem import ConfigError
from tests.settings.samples import MINIMAL, complaints, prod, settings, traceloop_of, with_target


def refusal(text: str) -> str:
    """Why a document is not read."""
    with pytest.raises(ConfigError) as refused:
        read_document(text, lambda line: Origin(layer=Layer.FILE, place=f"file:{line}"))
    return str(refused.value)


def test_a_duplicate_key_is_refused_with_both_lines() -> None:
    """YAML's parsers let the second win silently."""
    assert complaints(MINIMAL + "log: {level: info}\nserver: {port: 1}\nlog: {level: debug}\n") == [
        "config.yaml:8: key `log` is given twice; the first is in line 6"
    ]


def test_a_duplicate_target_is_refused() -> None:
    """Two blocks of one name, far apart, are the usual way to lose one."""
    assert complaints(MINIMAL + "  prod: {}\n") == ["config.yaml:6: key `prod` is given twice; the first is in line 2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "file:1: is not YAML in column 6"),
        ("a: b: c", "file:1: is not YAML in column 5: mapping values are not allowed here"),
        ("ok: 1\n\tb: 2", "file:2: is not YAML in column 1"),
        ("a: 1\n b: 2", "file:2: is not YAML in column 3"),
        ("a: 'open", "file:1: is not YAML in column 9"),
        ("a: @x", "file:1: is not YAML in column 4"),
        ("a: *unknown", "file:1: is not YAML in column 4: found undefined alias …"),
        ("a: 1\n---\nb: 2", "file:2: is not YAML in column 1: expected a single document in the stream"),
    ],
)
def test_a_syntax_error_names_line_and_column(text: str, said: str) -> None:
    """And what the parser expected, but never the text itself."""
    assert refusal(text).startswith(said)


@pytest.mark.parametrize("text", ["key: *tl_Secret_9", "key: !tl_Secret_9 x", "key: 'tl_Secret_9", "tl_Secret_9: : x"])
def test_a_syntax_error_never_quotes_the_file(text: str) -> None:
    """A secret may stand anywhere."""
    assert "Secret" not in refusal(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: !!python/object/apply:os.system [x]", "file:1: has a tag"),
        ("a: !env X", "file:1: has a tag"),
        ("? [a, b]\n: 1", "file:1: has a key that is not a word"),
        ("a: \x07", "file:1: is not YAML: a character is not allowed in it"),
        (
            "x: 1\ny: &a [*a]",
            "file:2: is not YAML that can be used: it is nested too deeply or grows without bound through its aliases",
        ),
        ("[" * 2000, "file:1: is not YAML in column 41: it is nested too deeply or grows without bound"),
        ("a: {" * 60 + "}" * 60, "file:1: is not YAML in column 157: it is nested too deeply"),
        ("- a\n" * 20_100, "file:20000: is not YAML in column 3: it is nested too deeply or grows without bound"),
        ("x" * (1024 * 1024 + 1), "file:1: is larger than 1 MiB"),
        ('a: 1\n"\\ud800": 2', "file:2: has a key that is not text in UTF-8"),
        ("a: {<<: [1]}", "file:1: merges (`<<`) what is not a mapping"),
    ],
    ids=[
        "tag",
        "own tag",
        "list as key",
        "control",
        "recursion",
        "depth",
        "tree depth",
        "items",
        "size",
        "key",
        "merge",
    ],
)
def test_what_no_configuration_needs_is_refused(text: str, said: str) -> None:
    """Tags could construct objects, the rest could exhaust memory."""
    assert refusal(text).startswith(said)


def test_aliases_cannot_be_made_to_grow_without_bound() -> None:
    """A dozen lines can stand for billions of values."""
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "grows without bound through its aliases" in refusal("\n".join(lines))


def test_anchors_and_merges_work() -> None:
    """They are how people avoid repetition; what is written beside a merge wins."""
    tree = read_document(
        "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [*a, {z: 4}]}",
        lambda line: Origin(layer=Layer.FILE, place=str(line)),
    )
    assert isinstance(tree, Tree)

    def plain(name: str) -> dict[str, str]:
        part = tree.entries[name]
        assert isinstance(part, Tree)
        return {key: value.text for key, value in part.entries.items() if isinstance(value, Text)}

    assert (plain("b"), plain("c")) == ({"x": "1", "y": "3"}, {"x": "1", "y": "2", "z": "4"})


def test_words_are_what_the_setting_takes_them_for() -> None:
    """In YAML 1.1 `no` is false, `1.10` is 1.1, `1:30` is 90 and `0123` is 83; here a text stays the text it is."""
    text = with_target(
        "labels: {country: no, version: 1.10, code: 0123, at: 1:30, day: 2026-01-01, big: 1_000}",
        "expected: {service_name: on}",
    )
    target = prod(text)
    assert target.labels == {
        "country": "no",
        "version": "1.10",
        "code": "0123",
        "at": "1:30",
        "day": "2026-01-01",
        "big": "1_000",
    }
    assert target.expected.service_name == "on"
    assert traceloop_of(prod(MINIMAL.replace("tl_Secret_2", "0123456"))).api_key.get() == "0123456"


@pytest.mark.parametrize(
    ("word", "meant"), [("on", True), ("off", False), ("yes", True), ("no", False), ("true", True)]
)
def test_switches_may_be_written_in_the_ways_of_old(word: str, meant: bool) -> None:
    """Where a switch belongs, on and off are understood."""
    assert settings(f"{MINIMAL}http: {{allow_http: {word}}}\n").http.allow_http is meant


def test_a_sexagesimal_number_is_no_duration() -> None:
    """`1:30` must not silently become 90 seconds."""
    (line,) = complaints(MINIMAL + "heartbeat: {every: 1:30}\n")
    assert line == "config.yaml:6: heartbeat.every: is not a duration; allowed: 30s, 5m, 1h30m, 30d, or seconds"


def test_quoted_null_is_a_text() -> None:
    """Only an unquoted null means none."""
    assert prod(with_target("alerting: {channel: 'null'}")).alerting.channel == "null"
