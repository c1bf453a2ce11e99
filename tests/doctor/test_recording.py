"""What a recording keeps, and what it never does: nothing is kept but what an allow-list names."""

import base64
import json
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monitor.core.model import Service
from monitor.doctor.recording import ALLOWED, CannotRecord, Outline, Recorder
from monitor.doctor.report import QUESTIONS
from monitor.http import Answer, Exchange, Request
from monitor.sandbox import FAULTS, SWITCHES
from monitor.settings import parse
from tests.doctor.harness import harness
from tests.fakes.clock import START, FakeClock
from tests.scenarios.discretion import forms_of, secrets_of
from tests.settings.samples import MINIMAL

KEY, TOKEN = "tl_0123456789abcdef0123456789abcdef", "tfy_A1b2C3d4E5f6G7h8"
TRACE, SPAN = "019ab2a96d50707fa3090c1b7201d5bd", "a2d6b882aa15be55"
READ = "https://api.traceloop.com/v2/warehouse/spans"


def outline() -> Outline:
    """One that knows a key and a token."""
    return Outline([KEY, TOKEN], START)


def answered(body: Any, **headers: str) -> Answer:
    """An answer; what is not bytes is JSON."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    if isinstance(body, bytes):
        return Answer(status=200, headers=named, body=body)
    return Answer(status=200, headers={"content-type": "application/json", **named}, body=json.dumps(body).encode())


def exchange(answer: Answer, **request: Any) -> Exchange:
    """An exchange with Traceloop."""
    asked = Request(**{"method": "GET", "url": READ, **request})
    return Exchange(service=Service.TRACELOOP, request=asked, began_at=START + 2, took=0.25, answer=answer)


def recorded(answer: Answer, **request: Any) -> Any:
    """What is recorded of an answer."""
    return outline().exchange(exchange(answer, **request))["answer"]


# --- nothing gets out -------------------------------------------------------------------------------------------------

# Letters and digits change places, so that a text becomes another one of the same length and the same form: an id stays an id, a
# number a number. A recording in which nothing of the text is kept cannot show which of the two it was.
_CIRCLES = ("abcdef", "ghijklmnopqrstuvwyz", "ABCDEF", "GHIJKLMNOPQRSTUVWYZ", "123456789")
_OTHER = str.maketrans({here: circle[place - 1] for circle in _CIRCLES for place, here in enumerate(circle)})
_PRIVATE = st.one_of(
    st.sampled_from(
        [KEY, TOKEN, TRACE, SPAN, "4111111111111111", "Ada Lovelace", "ada@acme.example", "+1 (650) 555-0100"]
    ),
    st.from_regex(r"[b-w]{2}[a-zA-Z0-9 @./:_-]{6,30}", fullmatch=True),
    st.from_regex(r"[1-9][0-9]{6,15}", fullmatch=True),
)
_NAMES = st.sampled_from(sorted(ALLOWED["names"] | ALLOWED["public_among_them"] | {"token", "anything"}))
_FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "bearer": lambda text: f"Bearer {text}",
    "in a sentence": lambda text: f"User {text} is not authorized",
    "in a URL": lambda text: f"https://{quote(text, safe='')}.example/{quote(text, safe='')}?key={quote(text)}",
    "percent-encoded": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "in base64": lambda text: base64.b64encode(f"x{text}".encode()).decode(),
    "in hexadecimal": lambda text: text.encode().hex(),
    "escaped": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text),
    "over lines": lambda text: "\n".join(text[start : start + 4] for start in range(0, len(text), 4)),
    "in JSON": lambda text: json.dumps({"message": text, text: [text]}),
    "after a public word": lambda text: f"ChatCompletion: {text}",
}
_HOLE = "{a private text}"
_VALUES = st.recursive(
    st.just(_HOLE) | st.booleans() | st.none() | st.integers(0, 99),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | st.just(_HOLE), inner, max_size=3),
    max_leaves=10,
)


def filled(value: Any, text: str) -> Any:
    """A body with a private text in every hole: in values, in names, at any depth."""
    match value:
        case dict():
            return {name.replace(_HOLE, text): filled(each, text) for name, each in value.items()}
        case list():
            return [filled(each, text) for each in value]
        case str():
            return value.replace(_HOLE, text)
    return value


def everything(body: Any, text: str, form: str, *, configured: bool) -> list[Any]:
    """Recordings of exchanges that hold a private text in a body, in headers, in what was asked, and in what is no JSON."""
    hidden, known = _FORMS[form](text), Outline([text] if configured else [], START)
    line = hidden.replace("\n", " ")
    headers = {
        **dict.fromkeys(sorted(ALLOWED["headers"] - {"content-type"}), line),
        f"x-{quote(text, safe='')}".lower(): line,
    }
    exchanges = [
        exchange(answered(filled(body, hidden), **headers)),
        exchange(answered(hidden.encode(), content_type="text/plain")),
        exchange(answered({}), method="POST", headers=headers, body=json.dumps(filled(body, hidden)).encode()),
        exchange(
            answered({}),
            url=f"https://{quote(text, safe='')}/{quote(text, safe='')}?cursor={quote(text)}&{quote(text)}=1",
        ),
    ]
    return [known.exchange(each) for each in exchanges]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@settings(max_examples=150)
@given(body=_VALUES, text=_PRIVATE, form=st.sampled_from(sorted(_FORMS)), configured=st.booleans())
def test_no_private_text_gets_out(body: Any, text: str, form: str, *, configured: bool) -> None:
    """A recording shows no difference between two texts of one length: wherever it stands, in whatever form, no byte is in it."""
    other = text.translate(_OTHER)
    # Bytes such as 4e30 in hexadecimal are a number, and no text: of a number a recording may show that it is one.
    assume(_is_json(_FORMS[form](text)) == _is_json(_FORMS[form](other)))
    written = everything(body, text, form, configured=configured)
    assert written == everything(body, other, form, configured=configured)
    assert text not in json.dumps(written, ensure_ascii=False)


def quick_first(quick: Collection[str], every: Collection[str]) -> list[Any]:
    """All of them, most only where there is time."""
    rest = sorted(set(every) - set(quick))
    return [*quick, *(pytest.param(each, marks=pytest.mark.thorough) for each in rest)]


def whole(directory: Path) -> str:
    """Everything that was written."""
    return "".join(file.read_text() for file in sorted(directory.iterdir()))


async def recording(directory: Path, variant: str = "", *faults: str, **how: Any) -> str:
    """What is recorded of a sandbox, without a secret or a name of the tenant in it."""
    async with harness(variant, *faults, **how) as it:
        await it.report(record=directory)
        written = whole(directory)
        secrets = secrets_of(it.sandbox.world.credentials)
    assert {secret for secret in secrets if any(form in written for form in forms_of(secret))} == set()
    for private in ("trace-monitor@", "ada@example.com", "sam@example.com", "pong", "health check of the gateway"):
        assert private not in written
    for named in (
        "https://control-plane/",
        "https://traceloop/",
        "https://gateway/",
        '"sandbox"',
        "openai-main",
        "acme",
    ):
        assert named not in written
    return written


QUICK_FAULTS = (
    "content_leaked_credential",
    "config_drift_key",
    "gateway_refused",
    "read_api_page",
    "canary_rejected_guardrail_input",
)


SLOW = {"read_api_endless"}  # half a minute of reading, and nothing of it is whole


@pytest.mark.parametrize("fault", quick_first(QUICK_FAULTS, FAULTS.keys() - SLOW))
async def test_no_fault_makes_it_leak(fault: str, tmp_path: Path) -> None:
    """Neither a secret nor content, also where both are in the answers."""
    assert await recording(tmp_path / "recording", "", fault, content=True)


# --- and it is worth reading ------------------------------------------------------------------------------------------

UNSEEN = {"logging_off=traces", "other_settings=list"}  # without a rule that is off, and without other settings
OTHERWISE = {
    f"{name}={value}" for name, switch in SWITCHES.items() for value in switch.values if value != switch.default
}


QUICK_VARIANTS = ("feedback=base64url-unpadded", "filters=refused", "metadata=flat", "off=null", "warehouse=behind")


@pytest.mark.parametrize("variant", quick_first(QUICK_VARIANTS, OTHERWISE - UNSEEN))
async def test_a_variant_can_be_read_off(variant: str, tmp_path: Path) -> None:
    """What a tenant does otherwise than the sandbox shows where the two recordings are compared."""
    broken = ("exporter_disabled",) if variant.startswith("off=") else ()
    plain = await recording(tmp_path / "plain", "", *broken)
    assert plain != await recording(tmp_path / "other", variant, *broken)


async def test_every_name_that_is_documented_is_kept(tmp_path: Path) -> None:
    """Of the sandbox's answers, which are made after the documentation, only what a tenant names itself is left out."""
    await recording(tmp_path / "recording", content=True)
    samples = [file.read_text() for file in (tmp_path / "recording").glob("0*.json")]
    assert [
        line for text in samples for line in text.splitlines() if line.lstrip().startswith('"<str') and '>": ' in line
    ] == []


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("status", "failure", "failure"),
        ("status", "Acme", "<str 4 #1>"),
        ("model", "failure", "<str 7 #1>"),
        ("message", "", ""),
        ("llm.usage.total_tokens", "237", "237"),
        ("total_tokens", 237, 237),
        ("total_tokens", 41111111, "<int>"),
        ("id", 48213, "<int>"),
        ("ok", True, True),
        ("when", None, None),
        ("span_name", "ChatCompletion: acme/gpt", "ChatCompletion: <str 8 #1>"),
        ("llm.prompts.12.role", "user", "user"),
        ("updatedAt", "2027-01-15T07:59:00.000Z", "<time -60 s>"),
        ("timestamp", 1800000002500, "<time +2 s>"),
        ("createdAt", "1999-01-01T00:00:00Z", "<time>"),
        ("created", 10**400, "<time>"),
        ("created", "soon", "<str 4 #1>"),
        ("error", '{"type": "APIError", "acme": 1}', {"<json>": {"type": "APIError", "<str 4 #1>": "<int>"}}),
        ("output", '{"type": "APIError"}', "<str 20 #1>"),
        (
            "metadata",
            {"status": "failure", "tfy_monitor": "canary"},
            {"<str 6 #1>": "<str 7 #2>", "tfy_monitor": "canary"},
        ),
        ("headers", {"X-Acme": KEY}, {"<str 6 #1>": "<secret 1 literal; `Bearer ` is missing>"}),
    ],
)
def test_a_value_is_kept_by_the_name_of_its_field(name: str, value: Any, kept: Any) -> None:
    """A public word, a small number, a moment; of anything else type and length."""
    assert outline().value({name: value}) == {name: kept}


def test_a_field_that_is_not_listed_loses_its_name() -> None:
    """But for the vendor's prefix; so does what stands in it."""
    body = {"tfy.acme_key": "failure", SPAN: 1, "acme": True}
    assert outline().value(body) == {
        "tfy.<str 8 #1>": "<str 7 #2>",
        "<str 16 #3>": "<int>",
        "<str 4 #4>": "<bool>",
    }


def test_what_was_equal_can_be_seen_to_be_equal() -> None:
    """In whichever answer and form: an id with dashes or in capitals is the same id."""
    known = outline()
    dashed = f"{TRACE[:8]}-{TRACE[8:12]}-{TRACE[12:16]}-{TRACE[16:20]}-{TRACE[20:]}"
    shown = [known.value({"text": text})["text"] for text in ("acme", TRACE, "acme", TRACE.upper(), dashed)]
    assert shown == ["<str 4 #1>", "<str 32 #2>", "<str 4 #1>", "<str 32 #2>", "<str 36 #2>"]


@pytest.mark.parametrize(
    ("value", "made"),
    [
        (f"Bearer {KEY}", "<secret 1 literal>"),
        (f'"Bearer {KEY}"', "<secret 1 literal; it is wrapped in quotes>"),
        (
            f" bearer {TOKEN} ",
            "<secret 2 literal; it has leading or trailing blanks; its scheme is not written `Bearer `>",
        ),
        ("Bearer tl_ffffffffffffffffffffffffffffffff", "<secret unknown literal>"),
        ("********", "<secret unknown masked>"),
        ("Bearer tfy-secret://acme:otel:key", "<secret unknown reference>"),
        ("Bearer ${ACME_KEY}", "<secret unknown literal; it holds an unexpanded placeholder>"),
    ],
)
def test_of_a_secret_its_form_is_kept(value: str, made: str) -> None:
    """Because that may be what is wrong with it; and which of the configured ones it is."""
    assert outline().value({"headers": {"Authorization": value}}) == {"headers": {"Authorization": made}}


def test_headers_are_kept_by_their_names() -> None:
    """Of the others only how many there were."""
    headers = {"Authorization": f"Bearer {KEY}", "traceparent": f"00-{TRACE}-{SPAN}-01", "X-Acme": "inside"}
    answer = answered(
        {}, date="Fri, 15 Jan 2027 08:00:03 GMT", set_cookie="session=abc", server="acme-proxy", retry_after="30"
    )
    made = outline().exchange(exchange(answer, headers=headers))
    parts = ["<str 2 #2>", "<str 32 #3>", "<str 16 #4>", "<str 2 #5>"]
    assert made["request"]["headers"] == {"authorization": "<secret 1 literal>", "traceparent": parts, "<others>": 1}
    kept = {"content-type": "application/json", "server": "<str 10 #6>", "retry-after": "30"}
    assert made["answer"]["headers"] == {**kept, "<others>": 2}
    assert made["answer"]["date"] == "<time +3 s>"


def test_the_header_that_names_a_trace_shows_its_form() -> None:
    """And that it is the trace which is read later."""
    header = base64.b64encode(json.dumps({"traceId": TRACE}).encode()).decode().rstrip("=")
    known = outline()
    made = known.exchange(exchange(answered({}, x_tfy_feedback_target_id=header)))["answer"]["headers"]
    shown = {"form": "base64, without padding", "length": len(header), "trace": "<str 32 #2>"}
    assert made["x-tfy-feedback-target-id"] == shown
    rows = known.exchange(exchange(answered({"spans": [{"trace_id": TRACE, "span_kind": "SPAN_KIND_CLIENT"}]})))
    assert rows["answer"]["body"] == {"spans": [{"trace_id": "<str 32 #2>", "span_kind": "SPAN_KIND_CLIENT"}]}


def test_of_other_peoples_traces_only_their_number_is_kept() -> None:
    """Ours are known by what we asked for, by id or by nonce; then all of their rows are kept."""
    nonce, known = f"gtm-{SPAN}", outline()
    ours = [{"trace_id": TRACE, "input": nonce}, {"trace_id": TRACE, "span_kind": "SPAN_KIND_CLIENT"}]
    theirs = [{"trace_id": "f" * 32, "cost_micro_usd": 40}] * 3
    known.exchange(exchange(answered({}), headers={"X-TFY-METADATA": json.dumps({"probe_id": nonce})}))
    made = known.exchange(exchange(answered({"spans": {"data": [*theirs, *ours]}, "trace": theirs[0]})))["answer"][
        "body"
    ]
    assert [row["trace_id"] for row in made["spans"]["data"][:2]] == [made["spans"]["data"][0]["trace_id"]] * 2
    assert made["spans"]["data"][2:] == ["<3 more>"]
    assert "<a span of another trace>" in made.values()


def test_of_a_body_that_is_no_json_the_length_is_kept() -> None:
    """Whatever it says; and silence by its kind."""
    made = recorded(answered(b"<title>Acme SSO</title>", content_type="text/html; charset=utf-8"))
    assert (made["body"], made["json"], made["bytes"]) == (None, False, 23)
    assert made["headers"]["content-type"] == "text/html"
    request = Request(method="GET", url="https://acme.truefoundry.cloud/health")
    silent = Exchange(service=Service.GATEWAY, request=request, began_at=START, took=5.0, failure="timeout")
    made = outline().exchange(silent)
    assert (made["failure"], made["request"]["host"], made["request"]["path"]) == ("timeout", "<str 22 #1>", "/health")


def test_json_in_a_text_is_followed_so_deep_and_no_deeper() -> None:
    """Whoever sends it: it must not end the recording."""
    deep = 800
    assert "<deeper>" in json.dumps(recorded(answered({"error": "[" * deep + "]" * deep})))


def test_what_became_of_an_answer_is_kept() -> None:
    """Whether it was cut off or came from something in front of the service; of the ingest, how many spans it rejected."""
    whole = recorded(answered({}))
    assert (whole["cut"], whole["blocked"], "rejected_spans" in whole) == (False, False, False)
    assert recorded(replace(answered({}), flaw="cut off"))["cut"]
    page = answered(b"error code: 1010", server="cloudflare", content_type="text/plain")
    assert recorded(replace(page, status=403))["blocked"]
    refusing = replace(exchange(answered({"partialSuccess": {"rejectedSpans": "3"}})), service=Service.OTLP)
    assert outline().exchange(refusing)["answer"]["rejected_spans"] == 3


async def test_the_index_holds_settings_and_answers(tmp_path: Path) -> None:
    """Targets are numbered; of an answer in the tenant's own words the length is kept."""
    async with harness() as it:
        it.more = {"targets": {"acme-internal": it.sandbox.configuration()["targets"]["demo"]}}  # type: ignore[index]
        await it.report(record=tmp_path / "recording")
    index = json.loads((tmp_path / "recording" / "index.json").read_text())
    assert set(index["settings"]) == set(index["answers"]) == {"target-1", "target-2"}
    target, answers = index["settings"]["target-1"], index["answers"]["target-1"]
    assert target["checks"]["arrival"]["missing_after"] == 300.0
    assert (target["expected"]["protocol"], target["gateway"]["token"]) == ("http", "<secret unknown masked>")
    assert (answers["header_values"], answers["service_name"]) == ("pass: literal", "pass: <str 15>")
    assert ALLOWED["answers"] == {question.slug for question in QUESTIONS} - {"service_name", "environment"}


# --- the directory ----------------------------------------------------------------------------------------------------


def recorder(directory: Path) -> Recorder:
    """One that has just begun."""
    return Recorder(parse(MINIMAL, {}, Path("/")).settings, directory, clock=FakeClock())


def names(directory: Path) -> list[str]:
    """What stands in it."""
    return sorted(file.name for file in directory.iterdir())


def test_a_recording_is_a_file_for_each_exchange_and_an_index(tmp_path: Path) -> None:
    """Readable by its owner alone."""
    directory = tmp_path / "new" / "recording"
    made = recorder(directory)
    made.record(exchange(answered({})))
    made.record(exchange(answered({})))
    made.close()
    assert names(directory) == ["0001-traceloop.json", "0002-traceloop.json", "index.json"]
    assert directory.stat().st_mode & 0o077 == 0
    index = json.loads((directory / "index.json").read_text())
    assert (index["exchanges"], index["date"], made.count) == (2, "2027-01-15T08:00:00+00:00", 2)


def test_an_earlier_recording_is_replaced(tmp_path: Path) -> None:
    """By the new one, whole: also one that was cut short before its index."""
    first = recorder(tmp_path)
    for _ in range(3):
        first.record(exchange(answered({})))
    recorder(tmp_path).close()
    assert names(tmp_path) == ["index.json"]


@pytest.mark.parametrize("stranger", ["notes.txt", "0001-mine.txt", ".hidden"])
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path, stranger: str) -> None:
    """And nothing in it is touched, though a recording lies beside it."""
    recorder(tmp_path).close()
    (tmp_path / stranger).write_text("precious")
    with pytest.raises(CannotRecord, match=r"is not empty and holds no earlier recording\. Name a new one"):
        recorder(tmp_path)
    assert (tmp_path / stranger).read_text() == "precious"
    assert "index.json" in names(tmp_path)


@pytest.mark.parametrize("index", ["{}", "[]", "nothing", '{"recording": "of somebody else"}'])
def test_an_index_of_something_else_is_no_recording(tmp_path: Path, index: str) -> None:
    """Its files may look like ours."""
    (tmp_path / "index.json").write_text(index)
    with pytest.raises(CannotRecord):
        recorder(tmp_path)
    assert (tmp_path / "index.json").read_text() == index


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    """Before anything is asked."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotRecord):
        recorder(tmp_path / "file")
    with pytest.raises(CannotRecord):
        recorder(tmp_path / "file" / "below")


def test_what_cannot_be_written_later_is_reported_and_disturbs_nobody(tmp_path: Path) -> None:
    """A disk may be full, or the directory be gone."""
    made = recorder(tmp_path / "recording")
    for file in (tmp_path / "recording").iterdir():
        file.unlink()
    (tmp_path / "recording").rmdir()
    made.record(exchange(answered({})))
    assert made.problem == "0001-traceloop.json could not be written: No such file or directory"
