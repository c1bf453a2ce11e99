"""The whole daemon before Phoenix: what is broken is named as before Traceloop, nobody says Traceloop, and no placeholder is left."""

import json
import re
from dataclasses import replace

import pytest

from monitor.core.backend import PHOENIX
from monitor.core.incident import HopState
from monitor.core.model import CheckName, Component, Fault, Severity, Verdict
from monitor.daemon.status import describe_target
from monitor.sandbox import BackendKind, Variant
from tests.sampling import sample
from tests.scenarios.house import MINUTE, OPERATED, House, house
from tests.scenarios.test_faults import TABLE, Row

UNSEEN = {Fault.WRONG_ENVIRONMENT, Fault.TRACE_MISLABELLED}
"""What Phoenix does not show."""

ROWS = [row for row in TABLE if row.fault not in UNSEEN]
ROWS += [  # a key is refused although the manifest does not show it; what is accepted and never shown
    replace(next(row for row in TABLE if row.fault is Fault.KEY_REJECTED), words={"header_values": "masked"}),
]
_LEFT = re.compile(r"\{(backend|status|owner|section)\}")


def everything_said(home: House) -> str:
    """What people and programs get to read: Slack, the status object, the metrics."""
    policy = home.daemon.policies[home.state.target]
    status = json.dumps(describe_target(home.state, policy, home.clock.now(), live=True), ensure_ascii=False)
    page, _ = home.metrics.render("", home.view())
    said = "\n".join([*(message.text for message in home.messages), status, page.decode()])
    return said.replace("//traceloop", "//host")  # the sandbox's host is called so whoever stands there


@pytest.mark.parametrize("kind", [BackendKind.PHOENIX, BackendKind.OPEN_PHOENIX])
async def test_a_healthy_target_passes_and_says_what_is_not_judged(kind: BackendKind) -> None:
    """With authentication and without: every check passes, and what Phoenix does not show is no fault."""
    async with house(backend=kind) as home:
        await home.settle_in()
        await home.advance(12 * MINUTE)
        verdicts = {name: state.result for name, state in home.state.check_states.items()}
        checked = set(CheckName) - {CheckName.VOLUME}  # which is off by default
        assert {name: result and result.verdict for name, result in verdicts.items()} == dict.fromkeys(
            checked, Verdict.PASS
        )
        arrival = verdicts[CheckName.ARRIVAL]
        assert arrival is not None
        assert arrival.evidence["not_shown"] == ", ".join(PHOENIX.cannot_tell)
        said = everything_said(home)
        assert 'service="phoenix"' in said
        assert "traceloop" not in said.lower()
        assert _LEFT.search(said) is None


@pytest.mark.parametrize("row", sample(ROWS, every=8), ids=lambda row: row.breaks)
async def test_a_fault_is_named_as_before_traceloop(row: Row) -> None:
    """By the same name, as bad, within the same time; and it resolves."""
    async with house(Variant().vary(row.words), backend=BackendKind.PHOENIX, content=row.content, **OPERATED) as home:
        await home.settle_in()
        await home.break_(row.breaks)
        await home.until(lambda: home.incident is not None and home.incident.diagnosis.fault is row.fault, row.notified)
        await home.advance(0)
        assert home.incident is not None
        diagnosis = home.incident.diagnosis
        component = Component.PHOENIX if row.component is Component.TRACELOOP else row.component
        assert (diagnosis.severity, diagnosis.component) == (row.severity, component)
        said = everything_said(home)
        assert "traceloop" not in said.lower()
        assert _LEFT.search(said) is None
        assert diagnosis.hops[-1].label == "Phoenix"
        await home.fix()
        await home.until_resolved(row.resolved)
        await home.advance(0)
        assert "resolved" in home.roots[-1].text.partition("\n")[0]


@pytest.mark.parametrize("breaks", ["wrong_environment", "trace_mislabelled"])
async def test_what_phoenix_does_not_show_is_no_fault(breaks: str) -> None:
    """Another key leads to the same project, and the service's name is dropped: traces arrive, so nothing is said."""
    async with house(Variant().vary({"header_values": "masked"}), backend=BackendKind.PHOENIX) as home:
        await home.settle_in()
        await home.break_(breaks)
        await home.advance(20 * MINUTE)
        assert home.incident is None


async def test_another_key_that_is_shown_is_a_warning() -> None:
    """It may be as good as ours; the traces say that it is."""
    async with house(backend=BackendKind.PHOENIX) as home:
        await home.settle_in()
        await home.break_("wrong_environment")
        await home.advance(12 * MINUTE)
        assert home.incident is not None
        diagnosis = home.incident.diagnosis
        assert (diagnosis.fault, diagnosis.severity) == (Fault.CONFIG_DRIFT, Severity.WARNING)
        assert diagnosis.title == "The exporter uses a different Phoenix key than the monitor"
        assert home.calls == []


async def test_another_project_is_a_drift_that_names_the_setting() -> None:
    """Where the exporter names another project than the monitor reads, traces are looked for in vain."""
    async with house(
        backend=BackendKind.OPEN_PHOENIX, targets={"demo": {"phoenix": {"project": "unheard-of"}}}
    ) as home:
        await home.advance(12 * MINUTE)
        assert home.incident is not None
        diagnosis = home.incident.diagnosis
        assert (diagnosis.fault, diagnosis.severity, diagnosis.also) == (Fault.CONFIG_DRIFT, Severity.CRITICAL, ())
        assert diagnosis.advice.startswith(
            "Set Headers → X-Project-Name to the project in `phoenix.project`, in AI Gateway"
        )


async def test_a_rotated_key_asks_for_the_new_one() -> None:
    """The exporter has the new key, and the monitor's is refused: to set the exporter back would stop a working export."""
    async with house(backend=BackendKind.PHOENIX) as home:
        await home.settle_in()
        await home.break_("config_drift_rotation")
        await home.advance(12 * MINUTE)
        assert home.incident is not None
        diagnosis = home.incident.diagnosis
        assert (diagnosis.fault, diagnosis.severity) == (Fault.CONFIG_DRIFT, Severity.WARNING)
        assert diagnosis.title == "The Phoenix key was probably rotated, and the monitor has the old one"
        assert diagnosis.advice.startswith(
            "Give the monitor the key that the exporter carries now (`phoenix.api_key`)."
        )
        assert home.calls == []


async def test_a_key_that_phoenix_refuses_is_named_once_traces_are_lost() -> None:
    """Until then nothing is claimed of the export; then the key is the cause, and when it is set back that is over."""
    async with house(backend=BackendKind.PHOENIX) as home:
        await home.settle_in()
        await home.break_("config_drift_key")
        await home.until_reported("opened", Fault.CONFIG_DRIFT, limit=2 * MINUTE)
        assert home.incident is not None
        names = set()

        def is_called() -> bool:
            assert home.incident is not None
            diagnosis = home.incident.diagnosis
            names.add((diagnosis.fault, diagnosis.also))
            if diagnosis.severity is Severity.WARNING:
                assert diagnosis.impact.startswith("Whether Phoenix accepts this key is not known")
                assert HopState.BROKEN not in [hop.state for hop in diagnosis.hops]
            return diagnosis.severity is Severity.CRITICAL

        await home.until(is_called, 20 * MINUTE)
        diagnosis = home.incident.diagnosis
        assert names == {(Fault.CONFIG_DRIFT, ())}
        assert diagnosis.impact.startswith("Traces have been lost since")
        assert diagnosis.advice.startswith("Set Headers → Authorization to `Bearer KEY`, with the Phoenix key")
        assert (diagnosis.hops[2].label, diagnosis.hops[2].state) == ("export", HopState.BROKEN)
        await home.advance(20 * MINUTE)
        assert home.incident.diagnosis.fault is Fault.CONFIG_DRIFT
        await home.fix()
        await home.until_resolved(15 * MINUTE)
        assert [reason for reason, _ in home.story].count("opened") == 1
        assert {name for _, name in home.story} == {Fault.CONFIG_DRIFT}


async def test_another_key_is_not_blamed_for_what_another_hop_loses() -> None:
    """It has been accepted for long, or Phoenix does not take a test span either."""
    for breaks, named in (("export_failing", Fault.EXPORT_FAILING), ("ingest_failing", Fault.INGEST_FAILING)):
        async with house(backend=BackendKind.PHOENIX) as home:
            await home.settle_in()
            await home.break_("wrong_environment")
            await home.advance(20 * MINUTE)
            await home.break_(breaks)
            await home.until_called(limit=20 * MINUTE)
            assert home.incident is not None
            assert home.incident.diagnosis.fault is named


@pytest.mark.parametrize("breaks", ["read_api_failing", "read_api_garbled", "read_api_page"])
async def test_a_read_api_that_is_broken_blinds_the_monitor(breaks: str) -> None:
    """Phoenix's own routes break; nobody is accused of losing traces."""
    async with house(backend=BackendKind.PHOENIX) as home:
        await home.settle_in()
        await home.break_(breaks)
        await home.advance(40 * MINUTE)
        results = [each.result for each in home.state.check_states.values()]
        assert home.incident is not None or Verdict.UNKNOWN in [each.verdict for each in results if each is not None]
        assert home.incident is None or home.incident.diagnosis.fault is Fault.BLIND
