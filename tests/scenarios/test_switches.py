"""The gateway's other switches in the whole daemon: a reason once traces are gone, a caveat while they are not, never an alert."""

import pytest

from monitor.core.gateway_policies import GatewayPolicyKind
from monitor.core.model import Fault, Severity
from monitor.sandbox import FAULTS, Variant
from monitor.web.page import status_page
from tests.sampling import sample
from tests.scenarios.house import DEMO, HOUR, MINUTE, House, house

F = Fault


def because(home: House) -> str:
    """Why, in the open incident."""
    assert home.incident is not None
    return " ".join(home.incident.diagnosis.because)


async def until_named(home: House, fault: Fault) -> None:
    """Until the incident is called so: it may be called late first."""
    await home.until(lambda: home.incident is not None and home.incident.diagnosis.fault is fault, 12 * MINUTE)
    await home.advance(0)


def caveats(home: House) -> list[str]:
    """What the API says that a healthy canary does not prove."""
    found: list[str] = home.daemon.report()["targets"][DEMO]["caveats"]
    return found


def page(home: House) -> str:
    """The status page."""
    return status_page(home.daemon.report(), home.daemon.state, troubles=(), version="1", now=home.clock.now())


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (
            "trace_not_created_logging_off",
            "The gateway's logging rule `no-mini-models` is off for model in [openai-main/gpt-4o-mini]",
        ),
        ("trace_not_created_logging_never", "The gateway's global settings log no request (logging mode `never`)"),
    ],
)
@pytest.mark.parametrize("shown", sample(["envelope", "list"], every=2))
async def test_logging_that_is_off_for_the_canary_is_named(breaks: str, says: str, shown: str) -> None:
    """The rule, and who changed it and when, are in the one message that says that no trace is created."""
    async with house(Variant().vary({"other_settings": shown})) as home:
        await home.settle_in()
        await home.break_(breaks)
        await until_named(home, F.TRACE_NOT_CREATED)
        assert says in because(home)
        assert "last changed by sam@example.com at 2027-01-15" in because(home)
        (root,) = home.roots
        assert says.replace("`", "") in root.text  # the text of a notification has no code marks
        assert len(home.calls) == 1
        await home.fix()
        await home.until_resolved(5 * MINUTE)
        assert home.incidents[-1].fault is F.TRACE_NOT_CREATED


async def test_logging_that_is_off_for_the_canarys_account_explains_missing_content() -> None:
    """Whose account it is, is learnt from the traces in TrueFoundry's own store."""
    async with house(content=True) as home:
        await home.settle_in()
        await home.break_("content_missing_logging_off")
        await home.until_reported("opened", F.CONTENT_MISSING, 12 * MINUTE)
        await home.advance(2 * MINUTE + 1)
        assert "The gateway's logging rule `no-robots` is off for subject in [virtualaccount:trace-monitor]" in because(
            home
        )
        assert "and so for the canary" in because(home)
        assert home.calls == []


@pytest.mark.thorough
async def test_switches_that_may_not_be_read_explain_nothing() -> None:
    """The fault is named all the same, and nobody is notified that something may not be read."""
    async with house(Variant().vary({"other_settings": "forbidden"})) as home:
        await home.settle_in()
        assert home.state.gateway_policies == {}
        assert home.state.gateway_policies_read_at is not None
        await home.advance(HOUR + 1)
        assert (home.notified, caveats(home)) == ([], [])
        await home.break_("trace_not_created_logging_off")
        await until_named(home, F.TRACE_NOT_CREATED)
        assert "logging" not in because(home)


@pytest.mark.parametrize(
    ("breaks", "caveat"),
    sample(
        [
            ("logging_off_for_others", "logging is off for model in [openai-main/gpt-4o] (rule `no-large-models`)"),
            (
                "logging_on_request",
                "a request is logged only if it asks for it (`X-TFY-LOGGING-CONFIG`), as the canary does",
            ),
            ("routed_others", "data routing keeps metadata team in [ml] in another destination (`team-bucket`)"),
            ("routed", "data routing treats the canary differently from other traffic (destination `eu-bucket`"),
        ],
        every=4,
    ),
)
@pytest.mark.thorough
async def test_what_treats_other_traffic_differently_is_a_caveat_and_no_alert(breaks: str, caveat: str) -> None:
    """Green, with a caveat: in the API, and on the page."""
    async with house() as home:
        await home.settle_in()
        assert caveats(home) == []
        assert "What the canary does not prove" not in page(home)
        await home.break_(breaks)
        await home.advance(HOUR + 1)
        assert (home.notified, home.story, home.state.confirmed) == ([], [], {})
        assert home.daemon.report()["targets"][DEMO]["verdict"] == "pass"
        (said,) = caveats(home)
        assert said.startswith(caveat)
        assert "What the canary does not prove" in page(home)
        assert caveat.partition("`")[0].replace("'", "&#x27;") in page(home)
        await home.fix()
        await home.advance(HOUR + 1)
        assert caveats(home) == []


@pytest.mark.thorough
async def test_an_expected_filter_is_a_caveat() -> None:
    """Nobody calls it a drift, and it keeps other traffic back all the same."""
    rule = {"key": "tfy.request.model_name", "value": ["openai-main/gpt-4o-mini"]}

    def expect(home: House) -> None:
        """The exporter has the filter from the beginning."""
        fault = "config_drift_filter_model"
        home.sandbox.world.faults.set(fault, FAULTS[fault].patches)

    async with house(targets={DEMO: {"expected": {"filters": [rule]}}}, prepare=expect) as home:
        await home.settle_in()
        await home.advance(10 * MINUTE)
        assert home.notified == []
        (said,) = caveats(home)
        assert said.startswith("the exporter sends only spans with tfy.request.model_name IN [openai-main/gpt-4o-mini]")


@pytest.mark.parametrize("feedback", sample(["base64", "absent"], every=2))
async def test_a_trace_in_another_destination_is_found_there(feedback: str) -> None:
    """By the gateway's own word or by data routing: the loss is the export's, not the gateway's."""
    async with house(Variant().vary({"feedback": feedback, "traceparent": "honoured"})) as home:
        await home.break_("routed")
        await home.advance(10 * MINUTE)
        assert home.notified == []
        await home.break_("export_failing_routed")
        await until_named(home, F.EXPORT_FAILING)
        assert "TrueFoundry's own store has the trace" in because(home)


@pytest.mark.thorough
async def test_where_the_destination_cannot_be_known_nothing_is_concluded() -> None:
    """Neither the gateway nor data routing says so: the default destination has never shown this trace's kin."""
    words = {"feedback": "absent", "traceparent": "honoured", "other_settings": "forbidden"}
    async with house(Variant().vary(words)) as home:
        await home.break_("routed")
        await home.advance(10 * MINUTE)
        assert home.notified == []
        await home.break_("export_failing_routed")
        await until_named(home, F.TRACE_MISSING)
        assert "which proves nothing: it has shown none of the monitor's within a day" in because(home)


@pytest.mark.thorough
async def test_the_switches_are_read_hourly_and_when_something_is_wrong() -> None:
    """Three requests an hour while everything is healthy."""
    async with house() as home:
        await home.settle_in()

        def reads() -> int:
            return sum(seen.path.endswith(GatewayPolicyKind.LOGGING) for seen in home.sandbox.world.requests)

        before = reads()
        await home.advance(2 * HOUR)
        assert reads() - before == 2
        await home.break_("config_drift_header")
        await home.until_reported("opened", F.CONFIG_DRIFT)
        before = reads()
        await home.advance(10 * MINUTE)
        assert 5 <= reads() - before <= 6
        assert home.incident is not None
        assert home.incident.diagnosis.severity is Severity.WARNING
