"""What a recording keeps, and what it never does: nothing is kept unless it is known to be harmless."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.model import Service
from monitor.doctor.recording import Recorder, Unfit
from monitor.doctor.recording.disguise import Disguise
from monitor.doctor.recording.feedback import recode
from monitor.doctor.recording.sample import Sampler
from monitor.http import Answer, Exchange, Request
from monitor.redaction import Redactor
from monitor.settings import Settings, parse
from monitor.truefoundry.gateway import decode_feedback_target, describe_feedback_target
from tests.fakes.clock import START, FakeClock
from tests.settings.samples import MINIMAL

KEY, TOKEN = "tl_0123456789abcdef0123456789abcdef", "tfy_A1b2C3d4E5f6G7h8"
TRACE, SPAN = "019ab2a96d50707fa3090c1b7201d5bd", "a2d6b882aa15be55"


@pytest.fixture
def disguise() -> Disguise:
    """One that knows a key, a token and a host."""
    secrets = {KEY: "recorded-secret-1", TOKEN: "recorded-secret-2"}
    return Disguise(
        secrets=secrets, hosts={"acme.truefoundry.cloud": "control-plane-1.invalid"}, redactor=Redactor(secrets)
    )


def sample_of(sampler: Sampler, answer: Answer, **request: Any) -> dict[str, Any]:
    """The sample of an exchange with Traceloop."""
    asked = {"method": "GET", "url": "https://api.traceloop.com/v2/warehouse/spans", **request}
    exchange = Exchange(
        service=Service.TRACELOOP, request=Request(**asked), began_at=START + 2, took=0.25, answer=answer
    )
    return sampler.sample(exchange)


def answered(body: Any, status: int = 200, **headers: str) -> Answer:
    """An answer; what is not bytes is JSON."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    if isinstance(body, bytes):
        return Answer(status=status, headers=named, body=body)
    return Answer(status=status, headers={"content-type": "application/json", **named}, body=json.dumps(body).encode())


# --- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Ada Lovelace",
        "ada@acme.example",
        "acme",
        "4111111111111111",
        "1 (650) 555-0100",
        "a prompt with ordinary words",
        "42",
    ],
)
def test_whatever_is_not_known_is_made_up(disguise: Disguise, text: str) -> None:
    """Names, addresses, numbers, words: only the length is told."""
    made = disguise.text(text)
    assert text not in made
    assert made.startswith("text-") or set(made) <= set("0123456789abcdef")


def test_the_same_stays_the_same(disguise: Disguise) -> None:
    """So that what was equal stays equal, also from one file to the next."""
    first, second = disguise.text("acme"), disguise.text("acme inc")
    assert (disguise.text("acme"), disguise.text("acme inc")) == (first, second)
    assert first != second
    assert (first, second) == ("text-1-of-4", "text-2-of-8")


@pytest.mark.parametrize(
    "text", ["gateway-otel-config", "http", "SPAN_KIND_CLIENT", "tfy-llm-gateway", "prd", "hit", "", "-1"]
)
def test_public_words_are_kept(disguise: Disguise, text: str) -> None:
    """What stands in a vendor's documentation belongs to nobody."""
    assert disguise.text(text) == text


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("llm.usage.total_tokens", "237", True),
        ("llm.usage.total_tokens", 237, True),
        ("timestamp", 1763273059770, True),
        ("tfy.model.metric.latency_in_ms", "12.5", True),
        ("updatedAt", "2026-11-22T10:00:00.000Z", True),
        ("customer_id", "48213", False),
        ("customer_id", 48213, False),
        ("born", "1990-01-01T00:00:00Z", False),
        ("verified", True, True),
        ("nothing", None, True),
    ],
)
def test_numbers_and_moments_are_kept_by_their_names(disguise: Disguise, name: str, value: Any, *, kept: bool) -> None:
    """A count says nothing of anybody, a customer's number does."""
    assert (disguise.value({name: value})[name] == value) is kept


def test_an_error_keeps_its_plain_words(disguise: Disguise) -> None:
    """And nothing else of it: no name, no model, no address, no part of a key."""
    text = (
        f"User ada@acme.example is not authorized to access model acme/secret-7 or model does not exist ({KEY} {TRACE})"
    )
    said = disguise.value({"message": text})["message"]
    assert said == "User … is not authorized to access model … or model does not exist …"


def test_an_error_that_is_json_is_looked_into(disguise: Disguise) -> None:
    """The gateway sends its `error` as a text of JSON now and then."""
    inner = json.dumps({"message": "fetch failed for acme", "type": "APIError", "code": "500"})
    said = json.loads(disguise.value({"error": inner})["error"])
    assert said == {"message": "fetch failed for …", "type": "APIError", "code": "500"}


def test_ids_are_replaced_one_by_one(disguise: Disguise) -> None:
    """Of the same length, the same each time, also with dashes or in capitals; a nonce keeps its form."""
    trace, span = disguise.text(TRACE), disguise.text(SPAN)
    assert (len(trace), len(span), trace[:4], span[:4]) == (32, 16, "7ace", "59a0")
    dashed = f"{TRACE[:8]}-{TRACE[8:12]}-{TRACE[12:16]}-{TRACE[16:20]}-{TRACE[20:]}"
    assert disguise.text(dashed).replace("-", "") == disguise.text(TRACE.upper()) == trace
    assert disguise.ids(f"00-{TRACE}-{SPAN}-01") == f"00-{trace}-{span}-01"
    assert disguise.text(f"the nonce gtm-{SPAN} in a text").endswith(f"-with-gtm-{span}")


@pytest.mark.parametrize(
    ("url", "made"),
    [
        ("https://acme.truefoundry.cloud/api/llm", "https://control-plane-1.invalid/api/llm"),
        ("https://ACME.truefoundry.cloud", "https://control-plane-1.invalid"),
        ("https://api.traceloop.com/v1/traces", "https://api.traceloop.com/v1/traces"),
        ("https://api.traceloop.com/v1/traces ", "https://api.traceloop.com/v1/traces "),
        ("https://api.traceloop.com/v1/traces/", "https://api.traceloop.com/v1/traces/"),
        ("http://10.1.2.3:4318/v1/traces", "http://other-2.invalid/v1/traces"),
        ("https://api.traceloop.com/acme?key=x", "https://api.traceloop.com/text-1-of-4"),
        ("https://user:pass@acme.truefoundry.cloud/health", "https://control-plane-1.invalid/health"),
    ],
)
def test_hosts_are_made_up_and_forms_are_kept(disguise: Disguise, url: str, made: str) -> None:
    """A slash or a blank too many may be what is wrong; a query is left out."""
    assert disguise.text(url) == made


def test_names_are_kept_if_they_look_like_names(disguise: Disguise) -> None:
    """But not one that holds an id, a host or a credential."""
    given_names = ["tfy.input", "a b", f"x.{SPAN}", "acme.truefoundry.cloud.zone", KEY, "ada@acme.example"]
    made = list(disguise.value(dict.fromkeys(given_names, True)))
    assert made[0] == "tfy.input"
    assert made[2].startswith("x.59a0")
    assert all(made[place].startswith("text-") for place in (1, 3, 4, 5))


# --- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "made"),
    [
        (f"Bearer {KEY}", "Bearer recorded-secret-1"),
        (KEY, "recorded-secret-1"),
        (f'"Bearer {KEY}"', '"Bearer recorded-secret-1"'),
        (f" bearer {KEY} ", " bearer recorded-secret-1 "),
        ("Bearer tl_ffffffffffffffffffffffffffffffff", "Bearer recorded-unknown-1"),
        ("copied-from-another-page", "recorded-unknown-1"),
        ("********", "********"),
        ("Bearer tl_0123••••cdef", "********"),
        ("tfy-secret://acme:otel:key", "tfy-secret://tenant:group:key"),
        ("Bearer tfy-secret://acme:otel:key", "Bearer tfy-secret://tenant:group:key"),
        ("Bearer ${ACME_TRACELOOP_KEY}", "Bearer ${PLACEHOLDER}"),
        (f"Bearer%20{KEY}", "percent%20encoded-recorded-unknown-1"),
        ("Bearer ", "Bearer "),
    ],
)
def test_a_header_value_keeps_its_form(disguise: Disguise, value: str, made: str) -> None:
    """Because the form may be what is wrong with it; every value of a header is a secret whatever its name."""
    assert disguise.value({"headers": {"X-Anything": value}}) == {"headers": {"X-Anything": made}}


def test_a_secret_inside_a_text_is_only_named(disguise: Disguise) -> None:
    """Known or not: that there was one is what is to be learnt."""
    assert disguise.text(f"curl -H 'Authorization: {KEY}'").endswith("-with-recorded-secret-1")
    assert disguise.text("the key is tl_ffffffffffffffffffff").endswith("-with-recorded-credential")


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "set-cookie", "db.password", "access_token"])
def test_what_is_called_a_secret_is_one(disguise: Disguise, name: str) -> None:
    """In attributes and resources too."""
    assert disguise.value({name: "opensesame-acme"}) == {name: "recorded-unknown-1"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)


@given(body=JSON, secret=st.sampled_from([KEY, TOKEN]), place=st.sampled_from(["key", "value", "message", "headers"]))
def test_no_secret_is_ever_written(body: Any, secret: str, place: str) -> None:
    """Wherever it stands in whatever is answered, as it is or in base64."""
    for form in (secret, f"Bearer {secret}", base64.b64encode(f"x{secret}".encode()).decode(), json.dumps(secret)):
        hidden = {
            "key": {form: body},
            "value": {"a": [body, form]},
            "message": {"message": f"no {form}", "b": body},
            "headers": {"headers": {"a": form}, "b": body},
        }[place]
        made = Disguise(
            secrets={KEY: "recorded-secret-1", TOKEN: "recorded-secret-2"}, hosts={}, redactor=Redactor([KEY, TOKEN])
        )
        sampler = Sampler(made, START)
        text = json.dumps(sample_of(sampler, answered(hidden)))
        assert form not in text
        assert secret not in text


# --- samples ----------------------------------------------------------------------------------------------------------


def test_headers_are_left_out_unless_they_are_listed(disguise: Disguise) -> None:
    """Their names are told. Of the request's credential only which one it was."""
    sampler = Sampler(disguise, START)
    request = {"Authorization": f"Bearer {KEY}", "User-Agent": "gateway-trace-monitor/1", "X-Acme": "inside"}
    answer = answered({}, date="Sun, 22 Nov 2026 10:00:00 GMT", set_cookie="session=abc", server="acme-proxy", x_y="1")
    made = sample_of(sampler, answer, headers=request)
    assert made["request"]["headers"] == {"user-agent": "gateway-trace-monitor/1"}
    assert made["request"]["headers_left_out"] == ["authorization", "x-acme"]
    assert made["request"]["credential"] == "recorded-secret-1"
    assert made["answer"]["headers"] == {
        "content-type": "application/json",
        "date": "Sun, 22 Nov 2026 10:00:00 GMT",
        "server": "text-1-of-10",
    }
    assert made["answer"]["headers_left_out"] == ["set-cookie", "x-y"]


def test_when_it_was_and_how_long_it_took_is_told(disguise: Disguise) -> None:
    """From the beginning of the recording."""
    made = sample_of(Sampler(disguise, START), answered({}))
    assert (made["service"], made["after"], made["took"], made["answer"]["status"]) == ("traceloop", 2.0, 0.25, 200)


def test_silence_is_told_by_its_kind(disguise: Disguise) -> None:
    """Without a word of its own."""
    request = Request(method="GET", url="https://acme.truefoundry.cloud/health")
    exchange = Exchange(service=Service.GATEWAY, request=request, began_at=START, took=5.0, failure="timeout")
    made = Sampler(disguise, START).sample(exchange)
    assert made["failure"] == "timeout"
    assert "answer" not in made


@pytest.mark.parametrize(
    ("body", "media", "kept"),
    [
        (b"404 page not found", "text/plain", {"text": "404 page not found"}),
        (b"error code: 1010", "text/plain; charset=utf-8", {"text": "error code: 1010"}),
        (b"<title>Acme SSO</title> sign in", "text/html", {"text": "… in"}),
        (b"x" * 5000, "text/html", {"unreadable": True}),
        (b"\x0a\x04acme", "application/x-protobuf", {"unreadable": True}),
        (b"", "", {"unreadable": False}),
    ],
)
def test_of_a_body_that_is_no_json_hardly_anything_is_kept(
    disguise: Disguise, body: bytes, media: str, kept: dict[str, Any]
) -> None:
    """The plain words of a short text."""
    made = sample_of(Sampler(disguise, START), answered(body, content_type=media))["answer"]
    assert {name: made[name] for name in kept} == kept
    assert made["bytes"] == len(body)
    assert "json" not in made


def test_of_other_peoples_traces_nothing_but_their_presence_is_kept(disguise: Disguise) -> None:
    """A window of the read API holds everybody's; ours are known by what we asked for."""
    sampler = Sampler(disguise, START)
    ours = {"trace_id": TRACE, "span_id": SPAN, "span_attributes": {"tfy.span_type": "Model"}}
    theirs = {
        "trace_id": "f" * 32,
        "span_id": "e" * 16,
        "timestamp": 1763273059770,
        "span_attributes": {"acme.user": "ada"},
    }
    made = sample_of(
        sampler,
        answered({"spans": {"data": [ours, theirs]}}),
        url=f"https://api.traceloop.com/v2/projects/default/traces/{TRACE}/spans",
    )
    mine, other = made["answer"]["json"]["spans"]["data"]
    assert mine["span_attributes"] == {"tfy.span_type": "Model"}
    assert set(other) == {"trace_id", "span_id", "timestamp"}


def test_a_trace_of_ours_is_known_by_its_nonce_too(disguise: Disguise) -> None:
    """Then all of its rows are kept, also those without it."""
    sampler = Sampler(disguise, START)
    nonce = f"gtm-{SPAN}"
    sample_of(sampler, answered({}), headers={"X-TFY-METADATA": json.dumps({"probe_id": nonce})})
    rows = [
        {"trace_id": TRACE, "span_attributes": {"x": nonce}},
        {"trace_id": TRACE, "span_attributes": {"tfy.span_type": "Model"}},
    ]
    made = sample_of(sampler, answered({"spans": {"data": rows}}))
    assert made["answer"]["json"]["spans"]["data"][1]["span_attributes"] == {"tfy.span_type": "Model"}


def _encoded(content: Any, *, url_safe: bool, padded: bool) -> str:
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    made = encode(json.dumps(content).encode()).decode()
    return made if padded else made.rstrip("=")


@pytest.mark.parametrize("url_safe", [True, False])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("filling", ["", "x", "xy"])
def test_the_header_that_names_a_trace_keeps_its_form(
    disguise: Disguise, *, url_safe: bool, padded: bool, nested: bool, filling: str
) -> None:
    """Alphabet, padding, nesting: that is what is to be learnt from it."""
    content: Mapping[str, Any] = {"traceId": TRACE, "region": "???>>>", "filling": filling}
    header = _encoded({"target": content} if nested else content, url_safe=url_safe, padded=padded)
    made = recode(header, disguise.value)
    assert made is not None
    assert describe_feedback_target(made) == describe_feedback_target(header)
    target = decode_feedback_target(made)
    assert target is not None
    assert target.trace_id == disguise.ids(TRACE)


def test_a_header_of_another_form_is_left_alone() -> None:
    """It cannot be looked into."""
    assert recode("nonsense!", str) is None


# --- the directory ----------------------------------------------------------------------------------------------------


def settings() -> Settings:
    """Of one target."""
    return parse(MINIMAL, {}, Path("/")).settings


def recorder(directory: Path) -> Recorder:
    """One that has just begun."""
    return Recorder(settings(), directory, clock=FakeClock())


def exchange() -> Exchange:
    """Any."""
    request = Request(method="GET", url="https://api.traceloop.com/v2/warehouse/spans")
    return Exchange(
        service=Service.TRACELOOP, request=request, began_at=START, took=0.1, answer=answered({"spans": None})
    )


def names(directory: Path) -> list[str]:
    """What stands in it."""
    return sorted(file.name for file in directory.iterdir())


def test_a_recording_is_a_file_for_each_exchange_and_an_index(tmp_path: Path) -> None:
    """Readable by its owner alone."""
    made = recorder(tmp_path / "new" / "recording")
    made.hear(exchange())
    made.hear(exchange())
    made.close()
    directory = tmp_path / "new" / "recording"
    assert names(directory) == ["0001-traceloop.json", "0002-traceloop.json", "index.json"]
    assert directory.stat().st_mode & 0o077 == 0
    index = json.loads((directory / "index.json").read_text())
    assert (index["exchanges"], index["date"], made.count) == (2, "2027-01-15T08:00:00+00:00", 2)
    assert parse(json.dumps(index["settings"]), {}, tmp_path).settings.targets


def test_an_earlier_recording_is_replaced(tmp_path: Path) -> None:
    """By the new one, whole: also one that was cut short before its index."""
    first = recorder(tmp_path)
    for _ in range(3):
        first.hear(exchange())
    second = recorder(tmp_path)
    second.close()
    assert names(tmp_path) == ["index.json"]


@pytest.mark.parametrize("stranger", ["notes.txt", "0001-mine.txt", ".hidden"])
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path, stranger: str) -> None:
    """And nothing in it is touched, though a recording lies beside it."""
    recorder(tmp_path).close()
    (tmp_path / stranger).write_text("precious")
    with pytest.raises(Unfit, match="is not empty and holds no earlier recording; name a new one"):
        recorder(tmp_path)
    assert (tmp_path / stranger).read_text() == "precious"
    assert "index.json" in names(tmp_path)


@pytest.mark.parametrize("index", ["{}", "[]", "nothing", '{"recording": "of somebody else"}'])
def test_an_index_of_something_else_is_no_recording(tmp_path: Path, index: str) -> None:
    """Its files may look like ours."""
    (tmp_path / "index.json").write_text(index)
    with pytest.raises(Unfit):
        recorder(tmp_path)
    assert (tmp_path / "index.json").read_text() == index


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    """Before anything is asked."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Unfit):
        recorder(tmp_path / "file")
    with pytest.raises(Unfit):
        recorder(tmp_path / "file" / "below")


def test_what_cannot_be_written_later_is_told_and_disturbs_nobody(tmp_path: Path) -> None:
    """A disk may be full, or the directory be gone."""
    made = recorder(tmp_path / "recording")
    for file in (tmp_path / "recording").iterdir():
        file.unlink()
    (tmp_path / "recording").rmdir()
    made.hear(exchange())
    assert made.problem == "0001-traceloop.json could not be written: No such file or directory"
