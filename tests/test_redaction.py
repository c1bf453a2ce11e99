"""No secret, and nobody's name, in anything that is shown."""

import base64
import json
import time
import unicodedata
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.redaction import MASK, Redactor, clamp, visible

Wrap = Callable[[str], str]
SECRETS = st.text(alphabet=[chr(code) for code in range(0x21, 0x7F)], min_size=6, max_size=60)
WRAPPINGS = st.sampled_from(
    [
        lambda secret: secret,
        lambda secret: f"Bearer {secret}",
        lambda secret: quote(secret, safe=""),
        quote_plus,
        json.dumps,
        repr,
        lambda secret: base64.b64encode(secret.encode()).decode(),
        lambda secret: base64.urlsafe_b64encode(b"user:" + secret.encode()).decode(),
        lambda secret: secret + secret,
    ]
)


@given(
    secrets=st.lists(SECRETS, min_size=1, max_size=4),
    parts=st.lists(st.text() | st.tuples(WRAPPINGS, st.integers(min_value=0, max_value=3)), max_size=8),
)
def test_no_registered_secret_is_ever_shown(secrets: list[str], parts: list[str | tuple[Wrap, int]]) -> None:
    """Whatever surrounds it, however it is written, however secrets overlap."""
    redactor = Redactor(f"Bearer {secret}" if index % 2 else secret for index, secret in enumerate(secrets))
    text = "".join(part if isinstance(part, str) else part[0](secrets[part[1] % len(secrets)]) for part in parts)
    for shown in (redactor.redact(text), redactor.show(text), redactor.show(text, 10_000)):
        for secret in secrets:
            assert secret not in shown
            assert base64.b64encode(secret.encode()).decode().rstrip("=")[:-1] not in shown
            assert quote(secret, safe="") not in shown


def test_a_secret_is_found_in_the_middle_of_a_basic_credential() -> None:
    """Base64 shifts with what stands before the secret; each of the three shifts is known."""
    redactor = Redactor(["s3cr3t-value-of-ours"])
    for user in ("", "u", "us", "use"):
        encoded = base64.b64encode(f"{user}:s3cr3t-value-of-ours:tail".encode()).decode()
        shown = redactor.redact(f"x={encoded};")
        longest = max(shown[2:-1].split(MASK), key=len)
        assert MASK in shown
        assert len(longest) <= len("use:tail") * 2


def test_a_secret_hidden_by_invisible_characters_is_found() -> None:
    """Control characters are taken out before the search, not after it."""
    redactor = Redactor(["abcdefghij"])
    assert "abcdefghij" not in redactor.show("abc\u202edef\u200bghij")


def test_what_was_learnt_is_never_forgotten() -> None:
    """After a rotation the old key is still a secret."""
    redactor = Redactor(["old-key-1"])
    redactor.register("new-key-2")
    assert redactor.redact("old-key-1 new-key-2") == f"{MASK} {MASK}"


def test_of_two_secrets_the_longer_is_taken_out_first() -> None:
    """Else what it has more than the shorter one would be left standing."""
    assert Redactor(["abcdef", "abcdef-rest"]).redact("abcdef-rest") == MASK


def test_a_secret_that_is_no_url_is_no_trouble() -> None:
    """Not even one that looks like the beginning of one."""
    assert Redactor(["http://[broken"]).redact("http://[broken") == MASK


def test_a_word_too_short_to_be_a_secret_is_left_alone() -> None:
    """A secret of five letters would take ordinary words out of every message."""
    assert Redactor(["trace"]).redact("a trace") == "a trace"


def test_of_a_secret_url_the_path_alone_is_secret_too() -> None:
    """Errors tend to quote the path without the host."""
    redactor = Redactor(["https://hc.example.com/ping/0d5f1f0e-9a5e-4f6c"])
    assert redactor.redact("GET /ping/0d5f1f0e-9a5e-4f6c failed") == f"GET /{MASK} failed"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("token xoxb-12-34-abCD ok", f"token {MASK} ok"),
        ("xoxe.xoxp-1-abc", MASK),
        ("xapp-1-A0-99-ff", MASK),
        ("https://hooks.slack.com/services/T0/B0/xyz", f"https://hooks.slack.com/services/{MASK}"),
        ("Authorization: Bearer abc.def_123", f"Authorization: Bearer {MASK}"),
        ("Bearer%20abcdef123", f"Bearer%20{MASK}"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: Basic {MASK}"),
        ("sk-proj-abcdef", MASK),
        ("key tl_0123456789abcdef", f"key {MASK}"),
        ("tfy_Xk29dkDkeow22", MASK),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.c2ln", f"jwt {MASK}"),
        ("https://user:pass@host/x", f"https://{MASK}@host/x"),
        ("https://user:p@ss@host/x@y", f"https://{MASK}@host/x@y"),
        ("GET /x?a=1&api_key=abc&b=2", f"GET /x?a=1&api_key={MASK}&b=2"),
        ("?X-Amz-Signature=ff&token=q", f"?X-Amz-Signature={MASK}&token={MASK}"),
        ('{"api_key": "0123456789"}', f'{{"api_key": "{MASK}"}}'),
        ("{'Authorization': '0123456789'}", f"{{'Authorization': '{MASK}'}}"),
        ("AKIAIOSFODNN7EXAMPLE", MASK),
    ],
)
def test_what_looks_like_a_credential_is_taken_out(text: str, shown: str) -> None:
    """Also one that nobody registered."""
    assert Redactor().redact(text) == shown
    assert Redactor().finds_credential(text)


@pytest.mark.parametrize(
    "text",
    [
        "otel_traces_exporter_config.headers.authorization: expected fingerprint 1f2e3d4c, found absent",
        "`Bearer ` is missing",
        "tfy_gateway_region tfy_monitor tfy-llm-gateway tfy.request.metadata",
        "trace 019ab2a96d50707fa3090c1b7201d5bd arrived after 4.2 s",
        "https://api.traceloop.com/v1/traces?limit=50&sort_order=DESC",
        "a task-runner on a disk-image with basic authentication",
        "changed by jane@example.com",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    """A redactor that eats messages is switched off by its readers."""
    assert Redactor().redact(text) == text
    assert not Redactor().finds_credential(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "User gateway-tester-v2 is not authorized to access model a/b or model does not exist",
            f"User {MASK} is not authorized to access model a/b or model does not exist",
        ),
        ("User jane.doe+x@acme.co.uk is not authorized", f"User {MASK} is not authorized"),
        ("vertex error: `projects/acme-prod/locations/global`", f"vertex error: `projects/{MASK}/locations/global`"),
        ('openrouter error: x | metadata: {"raw":{"error":1}}', f"openrouter error: x | metadata: {MASK}"),
        ("no arn:aws:iam::123456789012:role/x", f"no {MASK}"),
        ("in org-AbCdEf123456", f"in {MASK}"),
    ],
)
def test_foreign_texts_lose_people_and_internals(text: str, shown: str) -> None:
    """A gateway's error names who asked and what is behind it."""
    assert Redactor().show(text) == shown


def test_a_foreign_text_becomes_one_short_line() -> None:
    """A page of HTML does not become a message of forty lines."""
    shown = Redactor().show("<html>\r\n\t<b>no</b>\n" + "x" * 5000, 40)
    assert shown == "<html> <b>no</b> " + "x" * 22 + "…"


@given(st.text(), st.integers(min_value=0, max_value=50))
def test_a_clamped_text_fits_and_can_be_encoded(text: str, limit: int) -> None:
    """Never longer than asked, nothing that turns text around, nothing that UTF-8 cannot hold."""
    shown = clamp(text, limit)
    assert len(shown) <= limit
    shown.encode()
    assert not any(unicodedata.category(character) == "Cc" for character in shown)
    assert "\u202e" not in shown
    if len(visible(text)) <= limit:
        assert shown == visible(text)
    elif limit:
        assert shown.endswith("…")


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("e\u0301e\u0301e\u0301", 4, "e\u0301…"),
        ("ab👨\u200d👩\u200d👧", 5, "ab…"),
        ("ab👍🏽c", 4, "ab…"),
        ("ab🇩🇪cd", 4, "ab…"),
        ("abcdef", 1, "…"),
        ("abcdef", 6, "abcdef"),
        ("word and more", 6, "word…"),
    ],
)
def test_no_accent_is_torn_from_its_letter(text: str, limit: int, shown: str) -> None:
    """A cut through a grapheme shows another character than was written."""
    assert clamp(text, limit) == shown


def test_a_pile_of_accents_is_cut_through() -> None:
    """A hostile text does not clamp to nothing."""
    assert len(clamp("a" + "\u0301" * 1000, 100)) > 80


@pytest.mark.parametrize(
    "junk",
    [
        *("a" * 200_000, "eyJ" * 60_000, "a.b-" * 50_000, "://" * 60_000, "?token" * 30_000, "sk-" * 60_000),
        *("tfy_" * 50_000, "://" + "@" * 200_000, "://a@" * 50_000, "é" * 200_000, "1é" * 100_000),
    ],
)
def test_hostile_texts_take_linear_time(junk: str) -> None:
    """No pattern goes quadratic on what a remote service may send."""
    redactor = Redactor(["registered-secret"])
    began = time.perf_counter()
    redactor.redact(junk)
    redactor.show(junk)
    visible(junk)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("https://e.example/\ud83d", "https://e.example/\\ud83d"),
        ("a\u200bb", "a\\u200bb"),
        ("\ufeffa", "\\ufeffa"),
        ("a\u00a0b", "a\\u00a0b"),
        ("\x1b]0;x\x07", "\\u001b]0;x\\u0007"),
        ("a\x9b31m\x00\n", "a\\u009b31m\\u0000\\u000a"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("tag\U000e0041", "tag\\udb40\\udc41"),
        ("https://api.trac\u0435loop.com", "https://api.trac\\u0435loop.com"),
        ("модель gpt-4 недоступна", "модель gpt-4 недоступна"),
        ("Zoë Müller 東京 δ", "Zoë Müller 東京 δ"),
        ("⚠️ 👨\u200d👩\u200d👧 👍🏽 1\ufe0f\u20e3", "⚠️ 👨\u200d👩\u200d👧 👍🏽 1\ufe0f\u20e3"),
        ("a\u200db\ufe0f", "a\\u200db\\ufe0f"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
    ],
)
def test_what_cannot_be_seen_is_shown_escaped(text: str, seen: str) -> None:
    """As JSON would; what belongs to a script or an emoji stays."""
    assert visible(text) == seen
    assert visible(seen) == seen


@given(st.text())
def test_a_visible_text_fits_every_sink(text: str) -> None:
    """UTF-8 holds it, no character of it is invisible or turns the text, and it stays as it is."""
    seen = visible(text)
    seen.encode()
    assert not {unicodedata.category(each) for each in seen} & {"Cc", "Cs", "Zl", "Zp"}
    assert visible(seen) == seen


def test_a_credential_torn_apart_by_invisible_characters_is_taken_out() -> None:
    """Escaped, its parts could be read and put together again."""
    assert Redactor(["abcdefghij"]).redact("x abc\u200bdef\x00ghij") == f"x {MASK}"
