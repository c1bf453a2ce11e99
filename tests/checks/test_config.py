"""Whether the gateway is still set to export what it should, where it should."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from monitor.checks.config import ConfigCheck
from monitor.connectivity import Certificates
from monitor.core.canary import Outcome
from monitor.core.config_memory import ConfigSeen
from monitor.core.drift import AUTHORIZATION, ENCODING, ENDPOINT, EXCLUDE, HEADERS, METRICS, ExportConfig
from monitor.core.inputs import KeyTried, Observation
from monitor.core.model import Fault, Service, Severity, UnknownReason, Verdict
from monitor.core.secret import HIDDEN
from monitor.ports import Garbled, Gone, PortError, Refused, Unreachable
from tests.checks.bench import Diary, says
from tests.core.build import MINUTE, OFF, OURS, THEIRS, a_canary, manifest, secret
from tests.fakes.backend import FakeBackend
from tests.fakes.clock import START, FakeClock
from tests.fakes.control_plane import FakeControlPlane

AS_EXPECTED = ConfigSeen(config=manifest(), updated_at=START - 86_400, updated_by="ana")


class Bench:
    """A configuration check and everything around it."""

    def __init__(self, config: ConfigSeen | ExportConfig | None = AS_EXPECTED) -> None:
        seen = ConfigSeen(config=config) if isinstance(config, ExportConfig) else config
        self.clock, self.control_plane, self.backend = FakeClock(), FakeControlPlane(seen), FakeBackend()
        self.diary = Diary(self.clock)
        self.certificates = Certificates()

    async def look(self) -> Observation:
        """Let it look."""
        await ConfigCheck(self.control_plane, self.backend, self.clock, self.certificates).look(self.diary)
        return [given for given in self.diary.given if isinstance(given, Observation)][-1]

    @property
    def confirmed(self) -> set[Fault]:
        """What is believed."""
        return set(self.diary.state.confirmed)


# --- equal, different, not comparable --------------------------------------------------------------------------------


async def test_what_is_as_expected_passes_at_once() -> None:
    """A parsed answer is conclusive, and says who changed it last."""
    seen = await Bench().look()
    assert says(seen.result) == ("pass", None)
    assert seen.result.conclusive
    assert seen.result.summary == "6 fields are as expected"
    assert seen.config == AS_EXPECTED
    assert seen.result.evidence == {
        "equal": 6,
        "differences": 0,
        "not_comparable": None,
        "changed_by": "ana",
        "changed_at": START - 86_400,
    }


async def test_what_cannot_be_compared_is_listed_and_passes() -> None:
    """A masked key is no other key."""
    seen = await Bench(manifest({AUTHORIZATION: secret("Bearer ****")})).look()
    assert says(seen.result) == ("pass", None)
    assert seen.result.summary == f"5 fields are as expected; not comparable: {AUTHORIZATION}"
    assert seen.result.evidence["not_comparable"] == AUTHORIZATION


async def test_what_is_shown_otherwise_than_in_use_is_listed_and_passes() -> None:
    """Traces arrive with it, so it is no other key; what rests on them is not conclusive."""
    bench = Bench(ConfigSeen(config=manifest(key=THEIRS), updated_at=START - 86_400))
    assert says((await bench.look()).result) == ("fail", Fault.CONFIG_DRIFT)
    came = tuple(a_canary(number, outcome=Outcome.ARRIVED, arrived_at=START + 3) for number in (1, 2))
    bench.diary = Diary(bench.clock, state=replace(bench.diary.state, canaries=came))
    seen = await bench.look()
    assert says(seen.result) == ("pass", None)
    assert seen.result.summary == (
        f"5 fields are as expected; shown in another form than in use (masked): {AUTHORIZATION}"
    )
    assert (seen.result.conclusive, seen.result.evidence["shown_otherwise"]) == (False, AUTHORIZATION)
    await bench.look()
    assert bench.confirmed == set()


async def test_a_header_that_is_not_shown_any_more_is_drift_only_after_repeated_looks() -> None:
    """That it is gone was seen by an older look: one that cannot be repeated."""
    bench = Bench()
    await bench.look()
    bench.control_plane.config = ConfigSeen(config=manifest({AUTHORIZATION: HIDDEN}))
    seen = await bench.look()
    assert says(seen.result) == ("fail", Fault.CONFIG_DRIFT)
    assert bench.confirmed == set()
    await bench.look()
    assert bench.confirmed == {Fault.CONFIG_DRIFT}


@pytest.mark.parametrize(
    ("changes", "severity", "stops"),
    [
        ({ENDPOINT: "https://api.traceloop.com"}, Severity.CRITICAL, True),
        ({ENCODING: "json"}, Severity.CRITICAL, True),
        ({AUTHORIZATION: secret("tl_ours")}, Severity.CRITICAL, True),
        ({AUTHORIZATION: secret(THEIRS)}, Severity.CRITICAL, True),
        ({AUTHORIZATION: secret(None)}, Severity.CRITICAL, True),
        ({EXCLUDE: False}, Severity.CRITICAL, False),  # content gets out: as bad
        ({METRICS: "http"}, Severity.WARNING, False),
        ({f"{HEADERS}.x-tenant": secret("acme")}, Severity.WARNING, False),  # a header nobody expects
    ],
)
async def test_any_difference_is_a_failure(changes: Mapping[str, Any], severity: Severity, *, stops: bool) -> None:
    """Critical where it stops the export, and settled by one look."""
    bench = Bench(manifest(changes))
    seen = await bench.look()
    suspicion = seen.result.suspicions[0]
    assert (suspicion.fault, suspicion.severity, suspicion.stops_export) == (Fault.CONFIG_DRIFT, severity, stops)
    assert suspicion.conclusive
    assert bench.confirmed == {Fault.CONFIG_DRIFT}


async def test_the_worst_difference_comes_first() -> None:
    """A field that stops the export names the drift, and every one is listed."""
    seen = await Bench(manifest({METRICS: "http", ENCODING: "json"})).look()
    suspicion = seen.result.suspicions[0]
    assert suspicion.summary == "Encoding is `json`, should be `proto` (and 1 more)"
    assert suspicion.facts == (
        "Metrics exporter is `http`, and should not be set",
        f"in the manifest: `{ENCODING}`, `{METRICS}`",
    )
    assert seen.result.evidence["differences"] == 2


# --- off -------------------------------------------------------------------------------------------------------------


async def test_a_manifest_that_says_off_settles_at_once() -> None:
    """It is parsed, so it is conclusive."""
    bench = Bench(OFF)
    seen = await bench.look()
    suspicion = seen.result.suspicions[0]
    assert (suspicion.fault, suspicion.conclusive, suspicion.stops_export) == (Fault.EXPORTER_DISABLED, True, True)
    assert bench.confirmed == {Fault.EXPORTER_DISABLED}
    assert bench.control_plane.sessions == 0


@pytest.mark.parametrize("form", ["404", "null", "empty"])
async def test_nothing_to_read_is_off_only_while_the_same_token_works(form: str) -> None:
    """404, null and empty count after `fail_after` looks while the session endpoint knows us."""
    bench = Bench(None)
    bench.control_plane.form = form
    seen = await bench.look()
    assert says(seen.result) == ("fail", Fault.EXPORTER_DISABLED)
    assert form in seen.result.summary
    assert not seen.result.suspicions[0].conclusive
    assert seen.result.suspicions[0].stops_export
    assert bench.confirmed == set()
    await bench.look()
    assert bench.confirmed == {Fault.EXPORTER_DISABLED}
    assert bench.control_plane.sessions == 2


async def test_a_session_that_knows_nobody_proves_nothing() -> None:
    """Its bare 200 is how a bad token may be answered: permanent, because only a human can fix a token."""
    bench = Bench(None)
    bench.control_plane.knows_us = False
    seen = await bench.look()
    assert says(seen.result) == ("unknown", UnknownReason.REFUSED)
    assert seen.result.permanent


async def test_a_session_that_does_not_answer_proves_nothing() -> None:
    """A 404 of the configuration beside a control plane that fails is no switched-off exporter."""
    bench = Bench(None)
    plane = _SessionFails(Unreachable("the control plane answers 503", kind="status", status=503))
    await ConfigCheck(plane, bench.backend, bench.clock, bench.certificates).look(bench.diary)
    seen = bench.diary.only(Observation)
    assert says(seen.result) == ("unknown", UnknownReason.UNREACHABLE)
    assert "cannot see whether the export configuration was deleted (404)" in seen.result.summary


# --- cannot see ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "reason", "permanent"),
    [
        (Unreachable("no answer", kind="timeout"), UnknownReason.UNREACHABLE, False),
        (Unreachable("503", kind="status", status=503), UnknownReason.UNREACHABLE, False),
        (Refused("401", status=401), UnknownReason.REFUSED, False),
        (Refused("403", status=403), UnknownReason.REFUSED, True),
        (Refused("429", status=429, retry_after=30), UnknownReason.REFUSED, False),
        (Refused("1010", status=403, blocked=True), UnknownReason.BLOCKED, False),
        (Garbled("HTML"), UnknownReason.GARBLED, False),
        (Gone("no such route"), UnknownReason.GARBLED, False),
    ],
)
async def test_what_cannot_be_read_is_not_broken(error: PortError, reason: UnknownReason, *, permanent: bool) -> None:
    """It is unknown, with its reason; a 403 is permanent: only a human can grant a permission."""
    bench = Bench()
    bench.control_plane.error = error
    seen = await bench.look()
    assert says(seen.result) == ("unknown", reason)
    assert seen.result.permanent is permanent
    assert seen.config is None
    assert bench.confirmed == set()


async def test_a_failing_read_keeps_what_was_known() -> None:
    """Neither a confirmed drift nor the last configuration is forgotten because nobody could look."""
    bench = Bench(manifest({ENCODING: "json"}))
    await bench.look()
    bench.control_plane.error = Unreachable("no answer", kind="timeout")
    bench.clock.jump(MINUTE)
    await bench.look()
    assert bench.confirmed == {Fault.CONFIG_DRIFT}
    assert bench.diary.state.config is not None


# --- another key -----------------------------------------------------------------------------------------------------


async def test_another_key_makes_it_try_ours() -> None:
    """A documented route of Traceloop says whose key is the valid one."""
    bench = Bench(manifest(key=THEIRS))
    await bench.look()
    assert bench.diary.only(KeyTried).accepted is True
    assert (bench.backend.tried_keys, bench.backend.window_reads) == (1, [])


async def test_our_key_refused_is_a_rotation() -> None:
    """Then the drift is a warning: give the monitor the new key."""
    bench = Bench(manifest(key=THEIRS))
    bench.backend.window_error = Refused("401", status=401)
    await bench.look()
    assert bench.diary.only(KeyTried).accepted is False
    incident = bench.diary.state.incident
    assert incident is not None
    assert (incident.diagnosis.fault, incident.diagnosis.severity) == (Fault.CONFIG_DRIFT, Severity.WARNING)
    assert incident.diagnosis.title == "The Traceloop key was probably rotated, and the monitor has the old one"


@pytest.mark.parametrize(
    "error",
    [
        Refused("1010", status=401, blocked=True),
        Refused("403", status=403),
        Refused("429", status=429),
        Unreachable("no answer", kind="timeout"),
        Garbled("HTML"),
        Gone("404"),
    ],
)
async def test_a_probe_that_says_nothing_changes_nothing(error: PortError) -> None:
    """The drift is reported as it stands: critical, another key."""
    bench = Bench(manifest(key=THEIRS))
    bench.backend.window_error = error
    seen = await bench.look()
    assert not [given for given in bench.diary.given if isinstance(given, KeyTried)]
    assert seen.result.suspicions[0].severity is Severity.CRITICAL


@pytest.mark.parametrize("key", [OURS, "tl_ours", None, "Bearer ****"])
async def test_the_key_is_not_tried_without_need(key: str | None) -> None:
    """Ours, ours in another form, none, or one that cannot be compared: nothing to ask."""
    bench = Bench(manifest(key=key))
    await bench.look()
    assert bench.backend.tried_keys == 0


async def test_the_look_is_dated_when_it_began() -> None:
    """And measured by a clock that never jumps."""
    bench = Bench()
    seen = await bench.look()
    assert (seen.at, seen.took, seen.result.verdict) == (START, 0.0, Verdict.PASS)


async def test_the_certificate_of_the_control_plane_is_dated() -> None:
    """As far as any request has shown it."""
    bench = Bench()
    assert (await bench.look()).certificate is None
    bench.certificates.note(Service.CONTROL_PLANE, START + 86_400)
    bench.certificates.note(Service.GATEWAY, START)
    assert (await bench.look()).certificate == ("control_plane", START + 86_400)
    assert bench.diary.state.certificates == {"control_plane": START + 86_400}


async def test_a_permission_that_the_token_lacks_is_named() -> None:
    """So that whoever reads it can grant it."""
    bench = Bench(None)
    bench.control_plane.error = Refused("403", status=403)
    seen = await bench.look()
    assert seen.result.step == "Grant the monitor's virtual account `gateway-controls:ListGatewayControls`."


class _SessionFails(FakeControlPlane):
    """There is no configuration to read, and the session endpoint does not answer."""

    def __init__(self, error: PortError) -> None:
        super().__init__(None)
        self.failure = error

    async def token_works(self, *, timeout: float) -> bool:
        """Fails."""
        del timeout
        raise self.failure
