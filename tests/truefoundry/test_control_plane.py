"""What the control plane may answer, and what is concluded from it; shapes of https://github.com/truefoundry/truefoundry-python-sdk."""

import contextlib
import copy
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.config_memory import ConfigSeen
from monitor.core.drift import ATTRIBUTES, AUTHORIZATION, ENCODING, ENDPOINT, EXCLUDE, FILTERS, HEADERS, METRICS, TYPE
from monitor.core.secret import HIDDEN, Secret, SecretKind, fingerprint
from monitor.ports import ConfigAnswer, Garbled, PortError, Refused, Unreachable
from monitor.redaction import MASK, Redactor
from monitor.truefoundry import TrueFoundryControlPlane
from monitor.truefoundry.manifest import read_manifest
from tests.fakes.clock import START, FakeClock
from tests.fakes.remote import Remote, Reply

KEY = "tl_0123456789abcdef0123456789abcdef"
TOKEN = "tfy_secretsecret123"
MANIFEST: dict[str, Any] = {
    "type": "gateway-otel-config",
    "otel_traces_exporter_config": {
        "type": "http",
        "endpoint": "https://api.traceloop.com/v1/traces",
        "encoding": "proto",
        "headers": {"Authorization": f"Bearer {KEY}", "X-Extra": "1"},
        "additional_resource_attributes": {"environment": "production"},
        "exclude_request_data": True,
        "when": [{"field": "spanAttributes", "key": "tfy.span_type", "operator": "IN", "value": ["Model"]}],
    },
    "otel_metrics_exporter_config": {"type": "http", "endpoint": "https://metrics.example", "headers": {"k": KEY}},
}
ENVELOPE: dict[str, Any] = {
    "id": "1",
    "tenantName": "acme",
    "type": "gateway-otel-config",
    "manifest": MANIFEST,
    "createdBySubject": {"subjectId": "u1", "subjectType": "user", "subjectSlug": "jane@acme.example"},
    "createdAt": "2027-01-01T00:00:00.000Z",
    "updatedAt": "2027-01-15T07:59:00.000Z",
}


def envelope(traces: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The usual one, with other fields of the traces exporter, or of itself."""
    made = copy.deepcopy(ENVELOPE)
    made["manifest"]["otel_traces_exporter_config"].update(traces or {})
    return {**made, **more}


def plane_at(remote: Remote) -> TrueFoundryControlPlane:
    """The adapter before a remote."""
    return TrueFoundryControlPlane(
        remote.http,
        remote.url + "/",
        lambda: TOKEN,
        expected_headers=lambda: {"authorization": f"Bearer {KEY}"},
        fingerprint_key=b"key",
        redactor=Redactor([TOKEN, KEY]),
        clock=remote.clock,
    )


async def read(reply: Reply) -> ConfigAnswer:
    """One read of the configuration, answered so."""
    return await plane_at(Remote(FakeClock(), reply)).read_export_config(timeout=5)


async def seen(body: Any) -> ConfigSeen:
    """A configuration that was parsed."""
    answer = await read(Reply(body))
    assert answer.form == "manifest"
    assert answer.seen is not None
    return answer.seen


async def test_every_field_is_read() -> None:
    """By the paths that the core compares; header values as secrets; who changed it and when."""
    found = await seen(ENVELOPE)
    fields = dict(found.config.fields)
    authorization = fields.pop(AUTHORIZATION)
    extra = fields.pop(f"{HEADERS}.x-extra")
    assert fields == {
        TYPE: "http",
        ENDPOINT: "https://api.traceloop.com/v1/traces",
        ENCODING: "proto",
        EXCLUDE: True,
        METRICS: "http https://metrics.example",
        f"{ATTRIBUTES}.environment": "production",
    }
    assert authorization == Secret(kind=SecretKind.LITERAL, fingerprint=fingerprint(KEY, b"key"), equal=True)
    assert isinstance(extra, Secret)
    assert [str(each) for each in found.config.filters] == ["tfy.span_type IN [Model]"]
    assert found.updated_at == START - 60
    assert found.updated_by == "jane@acme.example"
    assert FILTERS not in fields


async def test_no_secret_leaves_the_adapter() -> None:
    """Neither ours nor somebody else's, neither in headers nor in what surrounds them."""
    other = "tl_ffffffffffffffffffffffffffffffff"
    found = await seen(
        envelope(
            {
                "endpoint": f"https://user:{other}@collector.example/v1/traces?api_key={other}",
                "headers": {"Authorization": other, "X-Key": "whatever-it-is"},
                "additional_resource_attributes": {"note": f"Bearer {KEY}"},
                "when": [{"field": "spanAttributes", "key": "tfy.user", "operator": "IN", "value": [KEY, other]}],
            },
            createdBySubject={"subjectDisplayName": f"pipeline {other}"},
        )
    )
    shown = repr(found)
    for secret in (KEY, other, "whatever-it-is"):
        assert secret not in shown
    assert MASK in str(found.config.fields[ENDPOINT])


async def test_headers_that_are_not_shown_are_hidden() -> None:
    """Null or absent says nothing of them; an empty object says that there are none."""
    assert (await seen(envelope({"headers": None}))).config.fields[AUTHORIZATION] == HIDDEN
    assert (await seen(envelope({"headers": {}}))).config.fields.get(AUTHORIZATION) != HIDDEN


async def test_a_secret_in_the_wrong_field_is_no_name() -> None:
    """Somebody may take the key for the name of a header, of an attribute or of a filter."""
    rule = {"field": "spanAttributes", "key": KEY, "operator": "IN", "value": ["x"]}
    traces = {"headers": {KEY: "x"}, "additional_resource_attributes": {f"Bearer {KEY}": "x"}, "when": [rule]}
    assert KEY not in repr(await seen(envelope(traces)))


async def test_half_a_surrogate_pair_is_read_like_any_text() -> None:
    """JSON can hold one, and no encoder takes it."""
    assert isinstance(
        (await seen(envelope({"headers": {"Authorization": "\ud800"}}))).config.fields[AUTHORIZATION], Secret
    )


async def test_what_is_kept_is_bounded() -> None:
    """A value is cut, and a list without end is not read: the configuration is written down at every look."""
    assert len(str((await seen(envelope({"endpoint": "x" * 1_000_000}))).config.fields[ENDPOINT])) <= 2000
    many = {str(number): "x" for number in range(201)}
    for field in ("headers", "additional_resource_attributes"):
        with pytest.raises(Garbled):
            await read(Reply(envelope({field: many})))
    with pytest.raises(Garbled):
        await read(Reply(envelope({"when": [{}] * 201})))


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z"],
)
async def test_an_absurd_date_is_none(moment: str) -> None:
    """Some of them no calendar can show."""
    assert (await seen(envelope(updatedAt=moment))).updated_at is None


@pytest.mark.parametrize("value", [f"Bearer {KEY} ", KEY, f'"Bearer {KEY}"', "Bearer ****", "tfy-secret://acme:g:k"])
async def test_trailing_blanks_and_masks_are_the_cores_to_judge(value: str) -> None:
    """The adapter hands on what was shown, as a secret."""
    found = (await seen(envelope({"headers": {"AUTHORIZATION": value}}))).config.fields[AUTHORIZATION]
    assert isinstance(found, Secret)
    assert found.equal is not True


async def test_the_endpoint_is_handed_on_as_it_stands() -> None:
    """A trailing blank is a difference: this gateway takes the text as it is."""
    found = await seen(envelope({"endpoint": "https://api.traceloop.com/v1/traces "}))
    assert found.config.fields[ENDPOINT] == "https://api.traceloop.com/v1/traces "


@pytest.mark.parametrize(
    "manifest", [{"type": "gateway-otel-config"}, {"type": "gateway-otel-config", "otel_traces_exporter_config": None}]
)
async def test_absent_and_null_are_off(manifest: dict[str, Any]) -> None:
    """Both are a manifest without a traces exporter; who did it is reported."""
    found = await seen({**ENVELOPE, "manifest": manifest})
    assert found.config.off
    assert found.updated_by == "jane@acme.example"


@pytest.mark.parametrize(
    ("reply", "form"),
    [
        (Reply({"message": "Not found"}, status=404), "404"),
        (Reply(b"404 page not found", status=404), "404"),
        (Reply(b"null"), "null"),
        (Reply(b""), "empty"),
        (Reply(b" \n"), "empty"),
        (Reply(b"", status=204), "empty"),
        (Reply({}), "empty"),
        (Reply([]), "empty"),
        (Reply({"data": []}), "empty"),
        (Reply({**ENVELOPE, "manifest": None}), "empty"),
        (Reply({**ENVELOPE, "manifest": {}}), "empty"),
    ],
)
async def test_none_at_all_is_an_answer(reply: Reply, form: str) -> None:
    """In all its forms; whether it counts is the check's to say."""
    assert await read(reply) == ConfigAnswer(seen=None, form=form)


@pytest.mark.parametrize(
    "body",
    [
        b"<!doctype html><title>TrueFoundry</title>",
        b'{"type": "gateway-ot',
        {"type": "gateway-otel-config"},
        {**ENVELOPE, "type": "gateway-rate-limiting-config"},
        {**ENVELOPE, "manifest": "text"},
        {**ENVELOPE, "manifest": [1]},
        "text",
        7,
        envelope({"endpoint": 5}),
        envelope({"encoding": ["proto"]}),
        envelope({"headers": "Authorization"}),
        envelope({"headers": {"Authorization": 5}}),
        envelope({"exclude_request_data": "yes"}),
        envelope({"additional_resource_attributes": {"a": 1}}),
        envelope({"when": {}}),
        {**ENVELOPE, "manifest": {**MANIFEST, "otel_traces_exporter_config": []}},
        {**ENVELOPE, "manifest": {**MANIFEST, "otel_metrics_exporter_config": "on"}},
    ],
)
async def test_what_cannot_be_read_is_not_judged(body: Any) -> None:
    """A page, another envelope, a field of another type: Garbled, never off."""
    with pytest.raises(Garbled):
        await read(Reply(body))


@pytest.mark.parametrize(
    ("traces", "more"),
    [
        ({"batch": {"size": 5}, "timeout": "10s"}, {"newField": [1]}),
        ({"headers": None, "when": None, "additional_resource_attributes": None, "exclude_request_data": None}, {}),
        ({}, {"createdBySubject": None, "updatedAt": None}),
        ({}, {"createdBySubject": "jane", "updatedAt": "yesterday"}),
        ({}, {"createdBySubject": {"subjectSlug": 5}, "updatedAt": 5}),
    ],
)
async def test_what_is_new_or_missing_is_tolerated(traces: dict[str, Any], more: dict[str, Any]) -> None:
    """Unknown fields, and optional ones that are not there."""
    assert not (await seen(envelope(traces, **more))).config.off


@pytest.mark.parametrize(
    "rule",
    [
        {"field": "resourceAttributes", "key": "k", "operator": "IN", "value": ["a"]},
        {"field": "spanAttributes", "key": "k", "operator": "NOT_IN", "value": ["a"]},
        {"field": "spanAttributes", "key": "k", "operator": "IN", "value": "a"},
        {"field": "spanAttributes", "key": "k", "operator": "IN", "value": [1]},
        "odd",
    ],
)
async def test_a_filter_that_is_not_understood_says_so(rule: Any) -> None:
    """Another field or operator than the documented ones cannot be evaluated."""
    filters = (await seen(envelope({"when": [rule]}))).config.filters
    assert [each.understood for each in filters] == [False]


@pytest.mark.parametrize(
    ("reply", "error", "status", "blocked"),
    [
        (Reply({"message": "Invalid token"}, status=401), Refused, 401, False),
        (Reply({"message": "Forbidden"}, status=403), Refused, 403, False),
        (Reply(b"error code: 1010", status=403), Refused, 403, True),
        (Reply({}, status=429), Refused, 429, False),
        (Reply({}, status=500), Unreachable, 500, False),
        (Reply(b"<html>bad gateway</html>", status=502), Unreachable, 502, False),
        (Reply(b"", status=302), Garbled, 302, False),
        (Reply({}, status=422), Garbled, 422, False),
    ],
)
async def test_other_statuses_are_errors(reply: Reply, error: type[PortError], status: int, *, blocked: bool) -> None:
    """It was not shown to us: refused, down, or not understood."""
    with pytest.raises(error) as caught:
        await read(reply)
    assert caught.value.status == status
    assert getattr(caught.value, "blocked", False) is blocked


async def test_an_error_says_what_the_service_said_but_no_secret() -> None:
    """Its message, without the token it quotes or the person it names."""
    with pytest.raises(Refused, match="HTTP 403: token •••• of •••• may not") as caught:
        await read(Reply({"statusCode": 403, "message": f"token {TOKEN} of jane@acme.example may not"}, status=403))
    assert "jane" not in str(caught.value)


async def test_the_token_is_sent_and_can_rotate() -> None:
    """It is asked for at each request."""
    remote = Remote(FakeClock(), Reply(ENVELOPE))
    tokens = iter(["first", "second"])
    plane = TrueFoundryControlPlane(
        remote.http,
        remote.url,
        lambda: next(tokens),
        expected_headers=dict,
        fingerprint_key=b"key",
        redactor=Redactor(),
        clock=remote.clock,
    )
    await plane.read_export_config(timeout=5)
    await plane.read_export_config(timeout=5)
    assert [request.headers["authorization"] for request in remote.asked] == ["Bearer first", "Bearer second"]
    assert remote.asked[0].path == "/api/svc/v1/llm-gateway/config/gateway-otel-config"


@pytest.mark.parametrize(
    ("body", "works"),
    [
        ({"user": {"tenantName": "acme"}, "env": {}}, True),
        ({"user": {"tenantName": ""}}, False),
        ({"user": {"tenantName": 5}}, False),
        ({"user": {}}, False),
        ({"user": None}, False),
        ({}, False),
        ([], False),
    ],
)
async def test_only_a_tenant_proves_a_session(body: Any, *, works: bool) -> None:
    """TrueFoundry's own clients take `user: null` for signed out."""
    assert await plane_at(Remote(FakeClock(), Reply(body))).token_works(timeout=5) is works


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "type",
                "endpoint",
                "encoding",
                "headers",
                "when",
                "exclude_request_data",
                "additional_resource_attributes",
            ]
        ),
        JSON,
    ),
    JSON,
)
def test_any_manifest_is_read_or_garbled(traces: dict[str, Any], subject: Any) -> None:
    """Nothing else comes out, whatever stands in the known fields."""
    body = {"manifest": {"otel_traces_exporter_config": traces}, "createdBySubject": subject, "updatedAt": subject}
    with contextlib.suppress(Garbled):
        read_manifest(body, expected_headers={}, key=b"key", redactor=Redactor())


@pytest.mark.parametrize(
    ("body", "tenant"),
    [
        ({"user": {"tenantName": "acme"}}, "acme"),
        ({"user": {"tenantName": "acme\u202e\n"}}, "acme\\u202e"),
        ({"user": None}, None),
        ({"user": {"tenantName": ""}}, None),
    ],
)
async def test_the_session_names_the_tenant(body: Any, tenant: str | None) -> None:
    """Fit to be shown; None where the token is nobody's."""
    assert await plane_at(Remote(FakeClock(), Reply(body))).name_tenant(timeout=5) == tenant


@pytest.mark.parametrize(
    ("manifest", "off_as"),
    [
        ({"type": "gateway-otel-config"}, "absent"),
        ({"type": "gateway-otel-config", "otel_traces_exporter_config": None}, "null"),
    ],
)
async def test_it_is_reported_how_a_missing_exporter_is_shown(manifest: Any, off_as: str) -> None:
    """Both mean that it is off."""
    answer = await plane_at(Remote(FakeClock(), Reply({"manifest": manifest}))).read_export_config(timeout=5)
    assert answer.seen is not None
    assert (answer.seen.config.off, answer.off_as) == (True, off_as)
