"""One pass of everything: looks once, waits for the traces, says what is true, leaves nothing behind."""

from pathlib import Path
from typing import Any, cast

import pytest

from monitor.checks.config import ConfigCheck
from monitor.connectivity import Certificates
from monitor.core.arrival import proof_key
from monitor.core.config_memory import ConfigMemory, ConfigSeen
from monitor.core.drift import ExportConfig
from monitor.core.inputs import CanaryAnswered, CanaryPlanned, TraceLooked
from monitor.core.model import CheckName, Fault, TargetName, passing
from monitor.core.secret import fingerprint
from monitor.core.state import Budget, TargetState
from monitor.core.trace import Route, TraceSeen
from monitor.daemon.compose import Adapters, Parts
from monitor.daemon.one_shot import OneShot, Selection
from monitor.ports import Check, TargetStore
from monitor.sandbox import FAULTS, parse_variant
from monitor.store.sqlite import SqliteStore
from tests.core.build import a_canary, manifest, policy, spans
from tests.daemon.world import CANARY, World, verdicts, world
from tests.fakes.backend import FakeBackend
from tests.fakes.clock import START, FakeClock
from tests.fakes.control_plane import FakeControlPlane
from tests.sampling import sample

C = CheckName
DEMO = TargetName("demo")
PASSING = {"config": "pass", "gateway": "pass", "canary": "pass", "arrival": "pass", "control": "pass"}
_INDISTINCT = frozenset({Fault.TRACE_NOT_CREATED, Fault.EXPORT_FAILING})
_MAY_BE_OVERLOOKED = frozenset({"trace_missing_some", "read_api_pages"})  # this canary's trace may be there


async def test_a_healthy_world_passes_within_seconds(tmp_path: Path) -> None:
    """Every check passes, the trace is named, and how long it took."""
    async with world(tmp_path) as it:
        described = await it.look()
        assert (described["verdict"], verdicts(described)) == ("pass", PASSING)
        assert described["trace_id"] in it.sandbox.world.traces()
        assert 2 <= described["arrival_seconds"] <= 9
        assert it.took <= 12


async def test_what_arrives_meanwhile_refutes_how_a_header_is_shown() -> None:
    """A control plane that shows a hash of the key: the trace arrives all the same, so the pass ends well."""
    clock = FakeClock()
    shown = ConfigSeen(config=manifest(key="Bearer 5f4dcc3b5aa765d61d8327deb882cf99"), updated_at=START - 86_400)
    config = ConfigCheck(FakeControlPlane(shown), FakeBackend(), clock, Certificates())
    checks: dict[CheckName, Check] = {C.CONFIG: config, C.CANARY: _Arrives()}
    parts = Parts(checks=checks, arrival=None, aside=(), adapters=cast("Adapters", None))
    said: list[str] = []
    before = TargetState(target=TargetName("prod"))
    single = OneShot(before, policy(fail_after=1, pass_after=1), parts, Selection(), clock, say=said.append)
    await single.run()
    assert [line.split(":")[1].strip() for line in said if " config " in line] == ["config fail", "config pass"]
    assert single.target_store.state.confirmed == {}


class _Arrives:
    """A canary whose trace arrives at once."""

    name = C.CANARY

    async def look(self, target_store: TargetStore) -> None:
        """Send it, and see its trace twice."""
        canary = a_canary()
        await target_store.apply(CanaryPlanned(at=START, canary=canary))
        await target_store.apply(CanaryAnswered(at=START, took=0.1, canary=canary, result=passing("served")))
        seen = TraceSeen(route=Route.TRACE, at=START, spans=spans(1))
        for _ in range(2):
            await target_store.apply(TraceLooked(at=START, took=0.1, canary_id=canary.id, seen=seen))


@pytest.mark.parametrize("name", sample(sorted(name for name in FAULTS if not name.startswith("slack_")), every=25))
async def test_every_fault_gets_its_own_name_or_none(tmp_path: Path, name: str) -> None:
    """Of whatever can be broken one look says what it is, or that it cannot tell; never another name."""
    fault = FAULTS[name]
    async with world(tmp_path, content=fault.needs_content) as it:
        await it.sandbox.break_(name)
        described = await it.look()
        named = set(fault.named) | ({Fault.TRACE_MISSING} if _INDISTINCT & set(fault.named) else set())
        match described["verdict"]:
            case "fail":
                assert described["fault"] in named
            case "unknown":
                assert "unknown" in verdicts(described).values()
                assert Fault.BLIND in named
            case _:
                assert not named or name in _MAY_BE_OVERLOOKED
        assert it.took <= 410


@pytest.mark.parametrize(
    "dialect",
    [
        "header_values=masked",
        "trace_route=401",
        "trace_route=404",
        "feedback=absent",
        "feedback=absent,traceparent=honoured",
        "own_store=forbidden",
        "index_lag=60s",
        "ingest_answer=json,naming=gen_ai,metadata=map",
        "trace_scope=project",
    ],
)
async def test_healthy_in_any_dialect_never_fails(tmp_path: Path, dialect: str) -> None:
    """Whatever the facts leave unknown."""
    async with world(tmp_path, parse_variant(dialect)) as it:
        described = await it.look()
        assert (described["verdict"], described["fault"]) == ("pass", None)


@pytest.mark.parametrize(
    "dialect", sample(["trace_scope=project", "trace_route=404", "header_values=masked,trace_scope=project"], every=2)
)
async def test_a_trace_in_another_environment_is_found_in_any_dialect(tmp_path: Path, dialect: str) -> None:
    """Also where the per-trace route is closed, and where it shows every environment."""
    async with world(tmp_path, parse_variant(dialect)) as it:
        await it.sandbox.break_("wrong_environment")
        described = await it.look(*CANARY, C.CONTROL)
        assert (described["verdict"], described["fault"]) == ("fail", "wrong_environment")


# --- waiting ---------------------------------------------------------------------------------------------------------


async def test_it_waits_for_the_deadline_of_a_trace_that_does_not_come(tmp_path: Path) -> None:
    """Five minutes after the answer, and a waiting person hears of it every ten seconds."""
    async with world(tmp_path) as it:
        await it.sandbox.break_("trace_missing")
        await it.look(*CANARY, C.CONTROL)
        assert 300 <= it.took <= 302
        waited = [text for text in it.said if "waiting for traces" in text]
        assert len(waited) >= 29
        assert waited[0].startswith("demo: waiting for traces, 1")


async def test_it_does_not_wait_for_ever_where_nothing_can_be_read(tmp_path: Path) -> None:
    """Half a minute after the deadline it gives up, says so, and what was not seen is unknown."""
    async with world(tmp_path) as it:
        await it.sandbox.break_("read_api_forbidden")
        described = await it.look()
        assert it.took <= 332
        assert (described["verdict"], described["fault"]) == ("unknown", "blind")
        assert described["checks"]["arrival"]["evidence"]["reason"] == "refused"
        assert it.said[-1] == "demo: no answer was usable for 330 s: not waiting any longer"


async def test_it_does_not_wait_where_the_key_is_refused(tmp_path: Path) -> None:
    """Nothing can arrive through a key that answers 401: the pass ends when that is known, and says what it said before."""
    async with world(tmp_path, targets={"demo": {"traceloop": {"api_key": "tl_wrong_0123456789"}}}) as it:
        described = await it.look()
        assert it.took <= 30
        assert described["verdict"] == "fail"
        assert described["checks"]["control"]["verdict"] != "pass"
        assert described["checks"]["arrival"]["evidence"]["reason"] == "refused"
        assert any("rejects the key" in text for text in it.said)


async def test_the_traces_alone_are_not_waited_for_with_a_refused_key(tmp_path: Path) -> None:
    """Without `control` it is the documented read that knows."""
    async with world(tmp_path) as it:
        await it.sandbox.break_("key_rejected")
        await it.look(*CANARY)
        assert it.took <= 10


async def test_a_change_that_may_not_be_in_force_yet_is_named(tmp_path: Path) -> None:
    """A canary sent less than `settle` after a change does not come by the old configuration's fault: when to ask again is said."""
    async with world(tmp_path) as it:
        await it.sandbox.break_("exporter_disabled")
        await it.sandbox.fix("exporter_disabled")
        await it.sandbox.break_("trace_missing")
        described = await it.look()
        assert described["verdict"] == "unknown"
        assert described["summary"].startswith(
            "not known: arrival. The export configuration was changed at 2027-01-15 08:0"
        )
        assert "may not be in effect yet" in described["summary"]


async def test_a_timeout_gives_unknown(tmp_path: Path) -> None:
    """What is not known by then is said to be so, check by check."""
    async with world(tmp_path) as it:
        await it.sandbox.break_("trace_missing")
        described = await it.look(timeout=20.0)
        assert (it.ended, it.took) == (False, 20.0)
        assert described["verdict"] == "unknown"
        assert verdicts(described) == {**PASSING, "arrival": "unknown"}
        assert described["checks"]["arrival"]["summary"] == "the trace has not arrived yet"
        assert described["summary"] == "not known: arrival"


async def test_a_timeout_before_anybody_answered_is_unknown_everywhere(tmp_path: Path) -> None:
    """A gateway and a control plane that hang: nothing was seen of them."""
    async with world(tmp_path) as it:
        await it.sandbox.break_("gateway_unreachable_black_hole")
        await it.sandbox.break_("control_plane_silent")
        described = await it.look(timeout=2.0)
        assert set(verdicts(described).values()) == {"unknown"}
        assert described["checks"]["config"]["summary"] == "has not run yet"
        assert described["checks"]["config"]["duration_seconds"] is None


async def test_where_no_trace_could_be_created_none_is_waited_for(tmp_path: Path) -> None:
    """And the report says why there is nothing to say."""
    async with world(tmp_path) as it:
        await it.sandbox.break_("gateway_unreachable")
        described = await it.look()
        assert it.took <= 5
        assert described["checks"]["arrival"]["summary"] == "no trace could be created"


# --- what is looked at -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("only", "shown"),
    [
        ((C.CONFIG,), {"config"}),
        ((C.GATEWAY,), {"gateway"}),
        ((C.CONTROL,), {"control"}),
        ((C.CANARY, C.ARRIVAL), {"canary", "arrival"}),
        ((C.CONFIG, C.GATEWAY), {"config", "gateway"}),
    ],
)
async def test_only_what_was_asked_for_is_looked_at(
    tmp_path: Path, only: tuple[CheckName, ...], shown: set[str]
) -> None:
    """Alone each of them passes too; control spans are read back also without `arrival`."""
    async with world(tmp_path) as it:
        described = await it.look(*only)
        assert verdicts(described) == dict.fromkeys(described["checks"], "pass")
        assert set(described["checks"]) == shown
        assert described["verdict"] == "pass"


async def test_a_look_at_less_claims_less(tmp_path: Path) -> None:
    """Without `arrival` nobody can say that the traces arrive."""
    async with world(tmp_path) as it:
        assert (await it.look())["summary"] == "the traces arrive"
        assert (await it.look(C.CONFIG, C.GATEWAY))["summary"] == "healthy, as far as config, gateway can see"


async def test_where_nothing_is_looked_at_nothing_is_known(tmp_path: Path) -> None:
    """A check that is not configured for this target makes no pass of nothing."""
    async with world(tmp_path, targets={"demo": {"checks": {"config": {"enabled": False}}}}) as it:
        described = await it.look(C.CONFIG)
        assert (described["verdict"], described["summary"]) == ("unknown", "not known: no check is enabled")


async def test_only_the_targets_asked_for_are_looked_at(tmp_path: Path) -> None:
    """Side by side, each with its own verdict; the worst is that of all."""
    async with world(tmp_path) as it:
        demo = it.sandbox.configuration()["targets"]["demo"]  # type: ignore[index]
        it._more = {"targets": {"other": {**demo, "gateway": {**demo["gateway"], "token": "tfy_unknown_000"}}}}
        both = await it.check()
        assert (both["targets"]["demo"]["verdict"], both["targets"]["other"]["verdict"]) == ("pass", "fail")
        assert both["verdict"] == "fail"
        assert set((await it.check(targets=("demo",)))["targets"]) == {"demo"}


async def test_without_a_control_plane_the_configuration_is_left_out(tmp_path: Path) -> None:
    """Its token may not be allowed to read it: then there is no such check."""
    async with world(tmp_path) as it:
        described = await it.look(settings=_without_control_plane(it))
        assert "config" not in described["checks"]
        assert described["verdict"] == "pass"


def _without_control_plane(it: World) -> Any:
    whole = it.settings
    target = whole.targets[DEMO]
    origin = target.checks.origin.model_copy(update={"enabled": False})
    config = target.checks.config.model_copy(update={"enabled": False})
    checks = target.checks.model_copy(update={"origin": origin, "config": config})
    bare = target.model_copy(update={"control_plane": None, "checks": checks})
    return whole.model_copy(update={"targets": {DEMO: bare}})


# --- memory ----------------------------------------------------------------------------------------------------------


async def _remember(it: World, state: TargetState) -> bytes:
    """A state file as the daemon leaves it; its fingerprint key."""
    store = SqliteStore(it.directory / "state.db", clock=FakeClock(), keep_history=86_400.0)
    await store.open()
    await store.save(state)
    key = store.fingerprint_key()
    await store.close()
    return key


def _files(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


async def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    """No state file where there was none."""
    async with world(tmp_path) as it:
        await it.look()
    assert _files(tmp_path) == {}


async def test_it_changes_nothing_of_what_the_daemon_remembers(tmp_path: Path) -> None:
    """Byte by byte."""
    async with world(tmp_path) as it:
        await _remember(it, TargetState(target=DEMO))
        before = _files(tmp_path)
        await it.look()
        assert _files(tmp_path) == before


async def test_its_canary_is_not_in_the_daemons_budget(tmp_path: Path) -> None:
    """Whoever asks for a check gets a canary, though the day's are spent."""
    async with world(tmp_path) as it:
        await _remember(it, TargetState(target=DEMO, budget=Budget(day=int(START // 86_400), sent=500)))
        assert verdicts(await it.look()) == PASSING


async def test_a_route_that_the_daemon_has_proven_proves_absence_here(tmp_path: Path) -> None:
    """Without it a first loss is unknown; what was believed then is not carried over."""
    async with world(tmp_path) as it:
        await it.sandbox.break_("ingest_failing_swallows")
        assert (await it.look(*CANARY))["verdict"] == "unknown"
        key = await _remember(it, TargetState(target=DEMO))
        credential = fingerprint(it.sandbox.world.credentials.key, key)
        proofs = {proof_key(route, credential): it.clock.now() for route in (Route.TRACE, Route.WAREHOUSE)}
        await _remember(it, TargetState(target=DEMO, proofs=proofs))
        assert (await it.look(*CANARY))["fault"] == "trace_missing"


@pytest.mark.parametrize(("honours", "verdict"), [(True, "fail"), (None, "unknown")])
async def test_that_the_gateway_takes_our_trace_id_is_known_from_the_daemon(
    tmp_path: Path, *, honours: bool | None, verdict: str
) -> None:
    """Else a trace that is not there under our own id may be there under another."""
    async with world(tmp_path, parse_variant("feedback=absent,traceparent=honoured")) as it:
        await it.sandbox.break_("ingest_failing_swallows")
        key = await _remember(it, TargetState(target=DEMO))
        credential = fingerprint(it.sandbox.world.credentials.key, key)
        proofs = {proof_key(route, credential): it.clock.now() for route in (Route.TRACE, Route.WAREHOUSE)}
        await _remember(it, TargetState(target=DEMO, proofs=proofs, honours_traceparent=honours))
        assert (await it.look(*CANARY))["verdict"] == verdict


async def test_what_was_changed_since_the_daemons_last_look_is_settling(tmp_path: Path) -> None:
    """The exporter caches its configuration: a loss that soon accuses nobody."""
    async with world(tmp_path) as it:
        await it.sandbox.break_("ingest_failing_swallows")
        key = await _remember(it, TargetState(target=DEMO))
        credential = fingerprint(it.sandbox.world.credentials.key, key)
        proofs = {proof_key(route, credential): it.clock.now() for route in (Route.TRACE, Route.WAREHOUSE)}
        before = ConfigMemory(seen=ConfigSeen(config=ExportConfig(off=True)))
        await _remember(it, TargetState(target=DEMO, proofs=proofs, config=before))
        described = await it.look(C.CONFIG, *CANARY)
        assert (described["verdict"], described["fault"]) == ("unknown", None)


async def test_a_state_file_that_cannot_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    """And the check goes on without."""
    (tmp_path / "state.db").write_bytes(b"this is no database, and long enough to be looked at " * 20)
    async with world(tmp_path) as it:
        assert verdicts(await it.look()) == PASSING
        assert any(text.startswith("continuing without the state file") for text in it.said)


async def test_progress_names_what_was_seen(tmp_path: Path) -> None:
    """A line for each verdict, as it comes; the second look for a trace, which says the same, is none."""
    async with world(tmp_path) as it:
        await it.look()
        assert len(it.said) == len(set(it.said))
        assert any(text.startswith("demo: gateway pass: the gateway answers (HTTP 200)") for text in it.said)
        assert any(text.startswith("demo: arrival pass: the trace arrived after") for text in it.said)


async def test_the_hops_are_distinguished_where_the_own_store_is_proven(tmp_path: Path) -> None:
    """The control span is sent after the canary: what it shows proves something of the canary's trace."""
    async with world(tmp_path) as it:
        await it.sandbox.break_("export_failing")
        described = await it.look()
        assert described["fault"] == "export_failing"
        assert "TrueFoundry's own store has the trace, so the gateway created it" in described["because"]


async def test_a_world_that_is_fixed_passes_again(tmp_path: Path) -> None:
    """Nothing is remembered from pass to pass."""
    async with world(tmp_path) as it:
        await it.sandbox.break_("gateway_refused")
        assert (await it.look())["fault"] == "gateway_refused"
        await it.sandbox.fix()
        assert (await it.look())["verdict"] == "pass"


@pytest.mark.parametrize("breaks", ["logging_off_for_others", "config_drift_filter_model"])
async def test_what_a_healthy_canary_does_not_prove_is_said(tmp_path: Path, breaks: str) -> None:
    """It changes no verdict."""
    async with world(tmp_path) as it:
        assert (await it.look())["caveats"] == []
        await it.sandbox.break_(breaks)
        described = await it.look()
        assert described["verdict"] == ("pass" if breaks == "logging_off_for_others" else "fail")
        (caveat,) = described["caveats"]
        assert ("no-large-models" in caveat) is (breaks == "logging_off_for_others")


async def test_a_look_at_less_reads_no_switches(tmp_path: Path) -> None:
    """Where no canary is sent, none proves anything."""
    async with world(tmp_path) as it:
        await it.sandbox.break_("logging_off_for_others")
        assert (await it.look(C.GATEWAY))["caveats"] == []
        assert not any("gateway-logging-config" in seen.path for seen in it.sandbox.world.requests)
        assert len((await it.look(*CANARY))["caveats"]) == 1


async def test_a_switch_behind_a_fault_is_named_by_one_look(tmp_path: Path) -> None:
    """The own store has shown the daemon a trace before; the rule is read while the canary is sent."""
    async with world(tmp_path) as it:
        await it.sandbox.break_("trace_not_created_logging_off")
        described = await it.look()
        assert described["verdict"] == "fail"
        assert any("logging rule `no-mini-models` is off" in sentence for sentence in described["because"])


@pytest.mark.parametrize("naming", ["llm", "gen_ai", "tfy"])
async def test_what_the_trace_says_is_shown_beside_what_the_gateway_answered(tmp_path: Path, naming: str) -> None:
    """Model and tokens, under whatever names; and that the trace went by the exporter as it is configured."""
    async with world(tmp_path, parse_variant(f"naming={naming}")) as it:
        described = await it.look()
        evidence = described["checks"]["arrival"]["evidence"]
        model = "openai-main/gpt-4o-mini" if naming == "tfy" else "gpt-4o-mini"
        tokens = [f"{kind}_tokens {evidence[f'{kind}_tokens']} as answered" for kind in ("input", "output")]
        assert evidence["beside_the_answer"] == ", ".join([f"model {model} as answered", *tokens])
        assert evidence["export_path"] == "the configured exporter, which adds deployment.environment"
