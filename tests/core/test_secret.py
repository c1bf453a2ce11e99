"""What is known of a secret value without holding it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.secret import ABSENT, Oddity, Secret, SecretKind, describe_headers, describe_secret, fingerprint
from tests.core.build import KEY, OURS, THEIRS, quick, secret

VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60)


def test_our_own_key_is_equal() -> None:
    """Compared by full value."""
    assert secret(OURS) == Secret(kind=SecretKind.LITERAL, fingerprint=fingerprint("tl_ours", KEY), equal=True)


def test_half_a_surrogate_pair_is_a_value_like_any_other() -> None:
    """JSON can hold one, and no encoder takes it."""
    assert secret("Bearer tl_\ud800").another_key


def test_another_key_is_another_key() -> None:
    """And nothing is odd about it."""
    theirs = secret(THEIRS)
    assert (theirs.equal, theirs.oddities, theirs.another_key) == (False, (), True)
    assert theirs.fingerprint != secret(OURS).fingerprint


@pytest.mark.parametrize(
    ("value", "oddities"),
    [
        ("tl_ours", [Oddity.NO_BEARER, Oddity.OTHER_FORM]),
        ("tl_theirs", [Oddity.NO_BEARER]),
        ("Basic dXNlcjpwYXNz", [Oddity.NO_BEARER]),
        ("bearer tl_ours", [Oddity.OTHER_SCHEME, Oddity.OTHER_FORM]),
        ("Bearer\ttl_ours", [Oddity.OTHER_SCHEME, Oddity.OTHER_FORM]),
        ('"Bearer tl_ours"', [Oddity.QUOTED, Oddity.OTHER_FORM]),
        ("'tl_ours'", [Oddity.QUOTED, Oddity.NO_BEARER, Oddity.OTHER_FORM]),
        ("Bearer  tl_ours", [Oddity.OTHER_FORM]),
        (" Bearer tl_ours ", [Oddity.BLANKS, Oddity.OTHER_FORM]),
        ("Bearer tl_ours\n", [Oddity.BLANKS, Oddity.OTHER_FORM]),
        (" Bearer tl_theirs", [Oddity.BLANKS]),
        ("Bearer ${TRACELOOP_API_KEY}", [Oddity.PLACEHOLDER]),
        ("Bearer $TRACELOOP_API_KEY", [Oddity.PLACEHOLDER]),
        ("Bearer {{ key }}", [Oddity.PLACEHOLDER]),
        ("Bearer <traceloop key>", [Oddity.PLACEHOLDER]),
        ("Bearer YOUR_API_KEY", [Oddity.PLACEHOLDER]),
        ("Bearer %(key)s", [Oddity.PLACEHOLDER]),
        ("Bearer%20tl_ours", [Oddity.PERCENT_ENCODED, Oddity.NO_BEARER]),
        ("Bearer", [Oddity.EMPTY]),
        ('"Bearer "', [Oddity.EMPTY]),
    ],
)
def test_what_is_wrong_with_the_form_is_named(value: str, oddities: list[Oddity]) -> None:
    """Each is something a human can fix; none of them is called another key unless it is one."""
    described = secret(value)
    assert list(described.oddities) == oddities
    assert described.another_key == (oddities == [Oddity.BLANKS])


def test_the_same_key_shows_the_same_fingerprint_in_every_form() -> None:
    """So that a reader sees that only the form is wrong."""
    forms = ["tl_ours", "bearer tl_ours", '"Bearer tl_ours"', " Bearer tl_ours", "Bearer  tl_ours", "Bearer 'tl_ours'"]
    assert {secret(form).fingerprint for form in forms} == {secret(OURS).fingerprint}


@pytest.mark.parametrize(
    "value",
    [
        "Bearer ********", "********", "Bearer tl_…wxyz", "Bearer sk-...abcd", "••••", "Bearer ••••", "tl_ab**yz", "xxxxxxxx",
        "Bearer XXXXXXXXtl", "[REDACTED]", "<redacted>", "masked", "***HIDDEN***", "Bearer ####", "█████",
        "", "  ", "null", "None", "(sensitive value)", "sensitive", "__REDACTED__", "Bearer __REDACTED__", "ENC(c2VjcmV0)",
        "Bearer ENC(c2VjcmV0)", "Bearer (sensitive value)", "[secret]", "<redacted: 40>", "value hidden", "<not shown>",
        "sha256:2bb80d537b1da3e3", "vault:v1:c2VjcmV0", "{cipher}c2VjcmV0", "this value cannot be shown", "encrypted",
    ],
)  # fmt: skip
def test_a_masked_value_is_not_compared(value: str) -> None:
    """With or without `Bearer`: nothing is known of what is behind it."""
    assert secret(value) == Secret(kind=SecretKind.MASKED)
    assert not secret(value).another_key


@pytest.mark.parametrize(
    "value", ["tfy-secret://acme:observability:key", "Bearer tfy-secret://acme:g:k", "Bearer TFY-SECRET://a:b:c"]
)
def test_a_reference_is_not_compared(value: str) -> None:
    """With or without `Bearer`: it is resolved where we cannot see."""
    assert secret(value) == Secret(kind=SecretKind.REFERENCE)


def test_a_key_that_looks_like_a_mask_is_still_our_key() -> None:
    """What equals ours needs no second thought."""
    assert secret("Bearer xxxxxx", "Bearer xxxxxx").equal is True


def test_a_run_of_x_inside_a_longer_key_is_no_mask() -> None:
    """Keys are random: four times the same letter may happen."""
    assert secret("Bearer tl_abcxxxxdefghijk").kind is SecretKind.LITERAL


def test_without_an_expectation_nothing_is_equal_or_different() -> None:
    """A header that nobody expects has only a fingerprint."""
    described = describe_secret("value", expected=None, key=KEY)
    assert (described.equal, described.oddities, described.another_key) == (None, (), False)


def test_no_scheme_is_demanded_of_other_headers() -> None:
    """Only `Authorization` needs its `Bearer`."""
    assert describe_secret("plain", expected="plain", key=KEY).oddities == ()


@pytest.mark.parametrize(
    ("described", "words"),
    [
        (ABSENT, "absent"),
        (secret("****"), "masked"),
        (secret("tfy-secret://a:b:c"), "a tfy-secret:// reference"),
        (secret(THEIRS), f"fingerprint {fingerprint('tl_theirs', KEY)}"),
        (secret("tl_theirs"), f"fingerprint {fingerprint('tl_theirs', KEY)} (`Bearer ` is missing)"),
    ],
)
def test_people_read_a_kind_or_a_fingerprint(described: Secret, words: str) -> None:
    """Never the value."""
    assert str(described) == words


def test_nothing_given_is_absent() -> None:
    """No header at all."""
    assert secret(None) is ABSENT


def test_headers_go_by_their_names_in_lower_case() -> None:
    """HTTP does not care, so neither do we; every value is a secret whatever its name."""
    described = describe_headers(
        {"AUTHORIZATION": "tl_ours", "X-Team": "ml", "x-odd": "?"}, {"authorization": OURS, "x-TEAM": "ml"}, key=KEY
    )
    assert list(described) == ["authorization", "x-team", "x-odd"]
    assert Oddity.NO_BEARER in described["authorization"].oddities
    assert described["x-team"].equal is True
    assert described["x-odd"].equal is None


@quick
@given(value=VISIBLE, expected=VISIBLE)
def test_no_secret_is_ever_in_what_is_kept_or_shown(value: str, expected: str) -> None:
    """Whatever it looks like: eight hexadecimal digits are all that is left of it."""
    described = secret(value, expected)
    assert value not in repr(described).replace("`Bearer `", "")
    assert described.fingerprint is None or len(described.fingerprint) == 8
    assert secret(expected, expected).equal is True


def test_fingerprints_depend_on_the_key() -> None:
    """A dictionary made elsewhere is of no use."""
    assert fingerprint("tl_ours", b"one") != fingerprint("tl_ours", b"two")


@pytest.mark.parametrize(
    ("value", "odd"),
    [
        *(
            ("Bearer ${KEY}", True),
            ("Bearer ${", False),
            ("${a$b}", True),
            ("${${a}", True),
            ("${a{b}", True),
            ("$}", False),
        ),
        *(
            ("{{ key }}", True),
            ("{{{key}}}", True),
            ("{{a{b}}", True),
            ("{{a}b}}", False),
            ("{{", False),
            ("}}", False),
        ),
    ],
)
def test_a_placeholder_is_found_wherever_it_begins(value: str, odd: bool) -> None:
    """Beginnings before the last one change nothing."""
    assert (Oddity.PLACEHOLDER in secret(f"sk{value}").oddities) is odd
