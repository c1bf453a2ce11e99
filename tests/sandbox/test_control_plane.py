"""TrueFoundry's control plane in the sandbox."""

from datetime import datetime
from typing import Any

import pytest

from monitor.sandbox import Host, Sandbox
from tests.fakes.clock import FakeClock
from tests.sandbox.common import Asker, read

CONFIG = "/api/svc/v1/llm-gateway/config/gateway-otel-config"
EXPORTER = "otel_traces_exporter_config"


async def test_the_configuration_comes_in_its_envelope(asker: Asker, sandbox: Sandbox, clock: FakeClock) -> None:
    """Camel case outside, snake case inside, as the integration guide wants it, and signed a day ago."""
    config = await asker.config()
    assert config["type"] == "gateway-otel-config"
    assert config["tenantName"] == "sandbox"
    assert config["createdBySubject"]["subjectSlug"] == "ada@example.com"
    assert datetime.fromisoformat(config["updatedAt"]).timestamp() == clock.now() - 86_400
    assert config["manifest"] == {
        "type": "gateway-otel-config",
        EXPORTER: {
            "type": "http",
            "endpoint": f"{sandbox.traceloop_url}/v1/traces",
            "encoding": "proto",
            "headers": {"Authorization": f"Bearer {asker.credentials.key}"},
            "additional_resource_attributes": {"deployment.environment": "sandbox"},
            "exclude_request_data": True,
        },
    }


async def test_a_change_is_signed_and_dated(asker: Asker, sandbox: Sandbox, clock: FakeClock) -> None:
    """Breaking and fixing are both somebody's change; a fault that touches no field changes no signature."""
    await sandbox.break_("export_failing")
    assert (await asker.config())["createdBySubject"]["subjectSlug"] == "ada@example.com"
    await clock.advance(60)
    await sandbox.break_("config_drift")
    broken = await asker.config()
    await clock.advance(60)
    await sandbox.fix("config_drift")
    fixed = await asker.config()
    assert broken["createdBySubject"]["subjectSlug"] == "sam@example.com"
    assert broken["manifest"][EXPORTER]["endpoint"] == sandbox.traceloop_url
    assert fixed["manifest"][EXPORTER]["endpoint"] == f"{sandbox.traceloop_url}/v1/traces"
    stamps = [datetime.fromisoformat(each["updatedAt"]).timestamp() for each in (broken, fixed)]
    assert stamps == [clock.now() - 60, clock.now()]


@pytest.mark.parametrize(
    ("off", "status", "shown"),
    [("absent", 200, "no key"), ("null", 200, "null"), ("404", 404, "message"), ("200-null", 200, "nothing")],
)
async def test_an_exporter_that_is_off_is_shown_by_variant(
    asker: Asker, sandbox: Sandbox, off: str, status: int, shown: str
) -> None:
    """Absent, null, 404, or no body at all."""
    sandbox.world.vary(off=off)
    await sandbox.break_("exporter_disabled")
    answer = await asker.plane("GET", CONFIG)
    body = read(answer)
    assert answer.status == status
    seen = {
        "no key": body is not None and EXPORTER not in body.get("manifest", {EXPORTER: 1}),
        "null": body is not None and body.get("manifest", {}).get(EXPORTER, 1) is None,
        "message": body is not None and "message" in body,
        "nothing": body is None,
    }
    assert [name for name, holds in seen.items() if holds] == [shown]


@pytest.mark.parametrize(("off", "status", "body"), [("absent", 404, dict), ("200-null", 200, type(None))])
async def test_what_was_never_configured_is_not_found_or_null(
    asker: Asker, sandbox: Sandbox, off: str, status: int, body: type
) -> None:
    """Of other types too; a type that does not exist is a bad request."""
    sandbox.world.vary(off=off)
    answer = await asker.plane("GET", "/api/svc/v1/llm-gateway/config/gateway-logging-config")
    assert answer.status == status
    assert isinstance(read(answer), body)
    assert (await asker.plane("GET", "/api/svc/v1/llm-gateway/config/gateway-otl-config")).status == 400


@pytest.mark.parametrize(
    ("variant", "headers"),
    [
        ("masked", {"Authorization": "********"}),
        ("reference", {"Authorization": "tfy-secret://sandbox:otel:authorization"}),
        ("absent", None),
    ],
)
async def test_header_values_are_shown_by_variant(asker: Asker, sandbox: Sandbox, variant: str, headers: Any) -> None:
    """What the exporter sends is the same in all of them."""
    sandbox.world.vary(header_values=variant)
    assert (await asker.config())["manifest"][EXPORTER].get("headers") == headers
    await asker.complete()
    await asker.clock.advance(5)
    assert len(asker.rows()) == 3


async def test_permissions(asker: Asker) -> None:
    """401 without a known token, 403 without the permission."""
    assert (await asker.plane("GET", CONFIG, token="tfy_nobody")).status == 401
    refused = await asker.plane("GET", CONFIG, token=asker.credentials.other_token)
    assert refused.status == 403
    assert read(refused)["message"]


async def test_a_session_is_a_user_with_a_tenant(asker: Asker) -> None:
    """A bad token is 200 too, with `user` null."""
    good = await asker.plane("GET", "/api/svc/v1/session")
    bad = await asker.plane("GET", "/api/svc/v1/session", token="tfy_nobody")
    assert (good.status, read(good)["user"]["tenantName"]) == (200, "sandbox")
    assert (bad.status, read(bad)["user"]) == (200, None)


async def test_the_proxy_answers_without_a_token(asker: Asker) -> None:
    """`OK!` is a static reply."""
    assert (await asker.ask(Host.CONTROL_PLANE, "GET", "/health")).body == b"OK!"


async def test_the_gateway_is_reached_through_the_control_plane(asker: Asker) -> None:
    """Under /api/llm."""
    body = {"model": "openai-main/gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}
    assert (await asker.plane("POST", "/api/llm/chat/completions", body=body)).status == 200
    assert (await asker.plane("GET", "/api/llm/health")).status == 200


async def test_a_dead_gateway_behind_the_proxy_is_a_bad_gateway(asker: Asker, sandbox: Sandbox) -> None:
    """The control plane itself stays up."""
    await sandbox.break_("gateway_unreachable")
    assert (await asker.plane("GET", "/api/llm/health")).status == 502
    assert (await asker.plane("GET", "/health")).status == 200
    assert await asker.fails(Host.GATEWAY, "GET", "/health") == "connect"


@pytest.mark.parametrize("agent", ["Python-urllib/3.11", "python-httpx/0.28.1", "python-requests/2.32", "", " "])
@pytest.mark.parametrize("host", [Host.CONTROL_PLANE, Host.GATEWAY])
async def test_bare_libraries_are_turned_away_at_the_door(asker: Asker, host: Host, agent: str) -> None:
    """403 and a text, before anybody looks at the token."""
    answer = await asker.ask(host, "GET", "/health", headers={"user-agent": agent})
    assert (answer.status, answer.body) == (403, b"error code: 1010")
    assert answer.headers["content-type"].startswith("text/plain")


LOGGING_PATH = "/api/svc/v1/llm-gateway/config/gateway-logging-config"


@pytest.mark.parametrize("how", ["envelope", "list"])
async def test_logging_configurations_stand_side_by_side(asker: Asker, sandbox: Sandbox, how: str) -> None:
    """Each name is one of its own; how several are shown is a matter of the variant."""
    sandbox.world.vary(other_settings=how)
    assert (await asker.plane("GET", LOGGING_PATH)).status == 404
    loud = {"type": "gateway-logging-config", "name": "loud", "log": True}
    sandbox.world.configurations.apply(loud)
    one = read(await asker.plane("GET", LOGGING_PATH))
    assert isinstance(one, list) is (how == "list")
    quiet = {"type": "gateway-logging-config", "name": "quiet", "log": False}
    sandbox.world.configurations.apply(quiet)
    several = read(await asker.plane("GET", LOGGING_PATH))
    rules = [each["manifest"] for each in several] if how == "list" else several["manifest"]["rules"]
    assert [rule["name"] for rule in rules] == ["loud", "quiet"]


async def test_a_fault_signs_what_it_applies(asker: Asker, sandbox: Sandbox, clock: FakeClock) -> None:
    """Fixed, the configuration is gone again."""
    await clock.advance(60)
    await sandbox.break_("logging_off_for_others")
    await clock.advance(60)
    shown = read(await asker.plane("GET", LOGGING_PATH))
    assert shown["createdBySubject"]["subjectSlug"] == "sam@example.com"
    assert shown["updatedAt"] == "2027-01-15T08:01:00.000Z"
    assert shown["manifest"]["name"] == "no-large-models"
    await sandbox.fix()
    assert (await asker.plane("GET", LOGGING_PATH)).status == 404


async def test_the_other_configurations_may_be_forbidden(asker: Asker, sandbox: Sandbox) -> None:
    """While the exporter's is shown."""
    sandbox.world.vary(other_settings="forbidden")
    for kind in ("gateway-logging-config", "gateway-global-settings", "gateway-data-routing-config"):
        assert (await asker.plane("GET", f"/api/svc/v1/llm-gateway/config/{kind}")).status == 403
    assert (await asker.plane("GET", CONFIG)).status == 200
