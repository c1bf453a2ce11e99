"""What an answer is judged by before any adapter sees it."""

import gzip
import json
import tracemalloc

import pytest

from monitor.http import Answer
from monitor.http.answer import Body
from monitor.ports import Garbled


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b"\xff\xfe", b"{", b'{"a": NaN}', b"[" * 200_000, b"[" * 150 + b"]" * 150, b"9" * 5000]
)
def test_what_is_no_json_is_garbled(body: bytes) -> None:
    """Neither pages nor nothing nor nesting without end is an answer in a known form."""
    with pytest.raises(Garbled) as caught:
        Answer(status=200, headers={"content-type": "text/html"}, body=body).json()
    assert caught.value.status == 200


def test_two_fields_of_one_name_say_nothing() -> None:
    """Whichever was read, another reader would have read the other."""
    with pytest.raises(Garbled):
        Answer(status=200, body=b'{"spans": [{"trace_id": "a", "trace_id": "b"}]}').json()


def test_ordinary_json_may_be_nested() -> None:
    """The limit is far beyond what anybody sends."""
    deep = json.dumps([[[[{"a": [{"b": [1]}]}]]]])
    assert Answer(status=200, body=deep.encode()).json() == json.loads(deep)


def test_a_bomb_never_takes_the_memory_that_it_asks_for() -> None:
    """Not even for a moment: one piece off the wire may hold a thousand times its size."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    body = Body(encoding="gzip", limit=10_000)
    tracemalloc.start()
    more = body.feed(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (more, len(body.content)) == (False, 10_000)
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b'{"message": "no", "error": {"message": "other"}}', "no"),
        (b'{"error": {"message": "no"}}', "no"),
        (b'{"error": "no"}', "no"),
        (b'{"detail": "no"}', "no"),
        (b'"no"', "no"),
        (b"no", "no"),
        (b"", ""),
        (b"{}", ""),
        (b"[1]", "[1]"),
        (b'{"error": {"error": {"error": "deep"}}}', '{"error": {"error": {"error": "deep"}}}'),
    ],
)
def test_a_complaint_is_found_in_every_usual_form(body: bytes, complaint: str) -> None:
    """`message`, `error` as text or object, or the text itself."""
    assert Answer(status=400, body=body).complaint == complaint


@pytest.mark.parametrize(
    ("status", "headers", "body", "blocked"),
    [
        (403, {}, b"error code: 1010", True),
        (429, {}, b"error code: 1015", True),
        (401, {"cf-mitigated": "challenge"}, b"<html>", True),
        (503, {"cf-mitigated": "challenge"}, b"<html>", True),
        (403, {"cf-mitigated": "challenge"}, b"<html>", True),
        (403, {}, b"<title>Access denied | api used Cloudflare to restrict access</title>", True),
        (403, {"server": "cloudflare"}, b'{"error":"Forbidden"}', False),
        (403, {"server": "cloudflare"}, b"<html><h1>403 Forbidden</h1>nginx</html>", False),
        (522, {"server": "cloudflare"}, b"error code: 522", False),
        (200, {}, b"how to read error code: 1010", False),
    ],
)
def test_a_page_of_cloudflare_is_distinguished_from_the_services_own(
    status: int, headers: dict[str, str], body: bytes, *, blocked: bool
) -> None:
    """A refusal by what stands in front of the service is no permission; a dead origin is no refusal."""
    assert Answer(status=status, headers=headers, body=body).blocked is blocked


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("Fri, 15 Jan 2027 08:01:30 GMT", 90.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("99999999", 86_400.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_retry_after_is_understood_in_both_forms(value: str, seconds: float | None) -> None:
    """Seconds or a date; nonsense is ignored, and nobody waits longer than a day."""
    assert Answer(status=429, headers={"retry-after": value}).retry_after(1_800_000_000.0) == seconds


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("Fri, 15 Jan 2027 08:00:00 GMT", 1_800_000_000.0),
        ("Fri, 15 Jan 2027 08:00:00 +0000", 1_800_000_000.0),
        ("", None),
        ("yesterday", None),
        ("99999999999999999999", None),
    ],
)
def test_the_clock_of_the_other_side_is_read(value: str, moment: float | None) -> None:
    """By the header Date; what cannot be understood says nothing."""
    assert Answer(status=200, headers={"date": value}).sent_at == moment
    assert Answer(status=200).sent_at is None
