"""What a diagnosis of the configuration says first: which field differs, who changed it, and whose key is refused."""

from dataclasses import replace

import pytest

from monitor.core.canary import Outcome
from monitor.core.config_memory import ConfigMemory, ConfigSeen
from monitor.core.drift import (
    ATTRIBUTES,
    ENCODING,
    ENDPOINT,
    EXCLUDE,
    FILTERS,
    HEADERS,
    TYPE,
    Comparison,
    Difference,
    ExportConfig,
)
from monitor.core.faults import LOST, NOT_EXPORTED_FROM
from monitor.core.model import Severity
from monitor.core.refine import GIVE_US_THE_KEY
from monitor.core.suspicions import drift
from tests.core.build import HOUR, MINUTE, OFF, ROWS, THEIRS, F, Story, a_canary, a_charge, in_words, manifest
from tests.core.diagnosed import diagnosed, drifted, holding
from tests.fakes.clock import START

ARRIVED = {"outcome": Outcome.ARRIVED, "arrived_at": START + HOUR}
LATER = {"sent_at": START + HOUR, "answered_at": START + HOUR}


# --- the configuration -----------------------------------------------------------------------------------------------


def test_an_export_that_is_stopped_says_since_when_traces_are_lost_once_one_is() -> None:
    """Before that only that none is exported."""
    off = holding(a_charge(F.EXPORTER_DISABLED, stops_export=True))
    assert diagnosed(off).impact == NOT_EXPORTED_FROM
    lost = a_canary(sent_at=START + 30, outcome=Outcome.MISSING)
    found = diagnosed(replace(off, canaries=(lost,)))
    assert (found.impact, found.missing_since) == (LOST, START + 30)


@pytest.mark.parametrize(
    ("config", "title"),
    [
        (manifest({ENDPOINT: "https://x.example"}), "Trace export points at the wrong URL"),
        (manifest({ENCODING: "json"}), "Trace export uses the wrong encoding"),
        (manifest(key=None), "Trace export sends no Authorization header"),
        (manifest(key="tl_ours"), "Trace export sends the wrong Authorization header"),
    ],
)
def test_a_drift_is_called_by_the_field_that_differs(config: ExportConfig, title: str) -> None:
    """What stops the export says so."""
    found = diagnosed(drifted(config))
    assert (found.title, found.impact) == (title, NOT_EXPORTED_FROM)


@pytest.mark.parametrize(
    ("path", "expected", "actual", "title"),
    [
        (f"{ATTRIBUTES}.team", "ml", "absent", "Trace export adds the wrong resource attributes"),
        (f"{HEADERS}.x-team", "absent", "masked", "Trace export sends an unexpected header"),
        (f"{HEADERS}.x-team", "fingerprint 00000000", "absent", "Trace export sends a wrong header"),
        (FILTERS, "absent", "x IN [y]", "Trace export has other filters than expected"),
        (TYPE, "http", "grpc", "Trace export uses the wrong protocol"),
    ],
)
def test_every_kind_of_field_has_a_title(path: str, expected: str, actual: str, title: str) -> None:
    """Also where nothing stops; the path in the manifest is among the facts."""
    found = drift(Comparison(differences=(Difference(path=path, expected=expected, actual=actual),)))
    assert (found.title, found.facts) == (title, (f"in the manifest: `{path}`",))


def test_another_key_takes_traces_somewhere_else() -> None:
    """Where, nobody knows yet: neither where they go nor that they are lost is claimed."""
    found = diagnosed(drifted(manifest(key=THEIRS)))
    assert found.title == "The exporter uses a different Traceloop key than the monitor"
    assert found.impact == (
        "Traces do not arrive in the expected environment from {since} on: Traceloop files them by the key. "
        "Requests are not affected."
    )


def test_another_key_names_the_environment_that_has_the_traces() -> None:
    """Once one of them is found there; one that went astray before says nothing of this key."""
    astray = a_canary(sent_at=START + 30, outcome=Outcome.MISSING, elsewhere="stg")
    found = diagnosed(drifted(manifest(key=THEIRS), canaries=(astray,)))
    assert found.title == "The exporter uses a different Traceloop key than the monitor: traces go to `stg`"
    assert found.impact == "Traces have gone to `stg` since {since} and are not lost. Requests are not affected."
    assert found.missing_since == START + 30
    before = replace(astray, sent_at=START - 1)
    assert diagnosed(drifted(manifest(key=THEIRS), canaries=(before,))).title == (
        "The exporter uses a different Traceloop key than the monitor"
    )


def test_a_key_that_was_probably_rotated_leaves_the_monitor_unable_to_check() -> None:
    """Its own key is refused: whether traces arrive is not known."""
    found = diagnosed(drifted(manifest(key=THEIRS), key_refused_at=START + 1))
    assert found.title == "The Traceloop key was probably rotated, and the monitor has the old one"
    assert found.impact == (
        "The monitor cannot read traces with its key, so whether they arrive has not been checked since {since}."
    )
    assert "Traceloop refuses the monitor's own key" in found.because
    assert found.advice == in_words(GIVE_US_THE_KEY)


def test_a_key_that_the_monitor_was_given_since_is_not_called_the_old_one() -> None:
    """The next check of the configuration compares with it."""
    memory = ConfigMemory(seen=ConfigSeen(config=manifest(key=THEIRS)), changed_at=START, credential="before")
    found = diagnosed(replace(drifted(manifest(key=THEIRS)), config=memory))
    assert (found.severity, found.title) == (
        Severity.WARNING,
        "The monitor has a new Traceloop key, which has not been compared yet",
    )
    assert found.impact == (
        "The next check of the configuration shows whether the exporter has the same key. Requests are not affected."
    )
    assert (
        found.advice
        == "Wait for the next check of the export configuration: it compares the exporter's key with the new one."
    )


LEAKS = "Prompts and answers are stored in Traceloop from {since} on, although they must not be."


def test_content_that_is_not_excluded_leaks_and_no_trace_is_lost() -> None:
    """Critical, and nobody reads that the export stops."""
    found = diagnosed(drifted(manifest({EXCLUDE: None})))
    assert (found.severity, found.impact) == (Severity.CRITICAL, LEAKS)
    assert found.title == "Exclude request data is not set as expected"


def test_content_leaks_although_another_field_should_have_stopped_the_export() -> None:
    """Traces arrive all the same, with content."""
    config = manifest({EXCLUDE: None, ENDPOINT: "https://x.example"})
    assert diagnosed(drifted(config)).impact == NOT_EXPORTED_FROM
    arrived = tuple(a_canary(number, **LATER, **ARRIVED) for number in (1, 2))
    assert diagnosed(drifted(config, canaries=arrived)).impact == LEAKS


def test_an_exporter_that_is_off_while_traces_arrive_loses_none() -> None:
    """Since when is no matter: nothing is lost."""
    arrived = tuple(a_canary(number, **LATER, **ARRIVED) for number in (1, 2))
    memory = ConfigMemory(seen=ConfigSeen(config=OFF), changed_at=START)
    state = holding(a_charge(F.EXPORTER_DISABLED, stops_export=True), config=memory, canaries=arrived)
    found = diagnosed(state)
    assert found.severity is Severity.WARNING
    assert found.impact == "Traces still arrive, and requests are not affected."
    assert "Traces still arrive: there must be another export path" in found.because


def test_a_harmless_drift_says_that_traces_are_still_exported() -> None:
    """And since when the difference has existed."""
    found = diagnosed(drifted(manifest({"otel_metrics_exporter_config": "http https://api.traceloop.com"})))
    assert (found.title, found.impact) == ("Metrics are exported to Traceloop", ROWS[F.CONFIG_DRIFT].impact)


# --- who changed it --------------------------------------------------------------------------------------------------


def test_who_changed_it_between_the_two_checks_that_differ_is_named() -> None:
    """With the time."""
    story = Story().config(by="ana", updated_at=START - HOUR).wait(MINUTE)
    story.config(OFF, by="bob", updated_at=START + 30)
    assert story.diagnosis.because[-1] == "Changed by bob at 2027-01-15 08:00 UTC"


@pytest.mark.parametrize("updated_at", [START - HOUR, START, None], ids=["before", "at the check", "not dated"])
def test_who_changed_it_before_a_check_that_passed_is_not_named(updated_at: float | None) -> None:
    """They have not made the difference; where no time is known that is not known either."""
    story = Story().config(by="ana", updated_at=START - HOUR).wait(MINUTE)
    story.config(OFF, by="bob", updated_at=updated_at)
    assert not any("bob" in line or "hanged" in line for line in story.diagnosis.because)


@pytest.mark.parametrize(
    ("updated_at", "by", "said"),
    [
        (START - HOUR, "bob", "Last changed by bob at 2027-01-15 07:00 UTC"),
        (None, "bob", "Last changed by bob"),
        (START - HOUR, None, "Last changed at 2027-01-15 07:00 UTC"),
        (None, None, None),
    ],
)
def test_where_no_check_has_passed_yet_it_is_the_last_change(
    updated_at: float | None, by: str | None, said: str | None
) -> None:
    """Whether it made the difference nobody can tell."""
    story = Story().config(OFF, by=by, updated_at=updated_at)
    assert [line for line in story.diagnosis.because if "hanged" in line] == ([said] if said is not None else [])


# --- Traceloop's key -------------------------------------------------------------------------------------------------


def test_a_refused_key_that_the_exporter_carries_too_loses_every_trace() -> None:
    """Known from the configuration."""
    found = Story().config().cannot_see(None, key_refused=True).diagnosis
    assert (found.title, found.impact) == ("Traceloop rejects the exporter's key", LOST)
    assert found.detail == "Traceloop's read API answers HTTP 401 to the monitor's key."
    assert "The exporter carries the same key" in found.because


def test_a_refused_key_may_be_the_monitors_alone() -> None:
    """Where the exporter's key is not shown nobody says that traces are lost."""
    story = Story().config(manifest(key="****")).cannot_see(None, key_refused=True).cannot_see(None, key_refused=True)
    found = story.diagnosis
    assert (found.title, found.impact) == (
        "Traceloop rejects the expected key",
        "If the exporter uses this key, every trace has been refused since {since}. Requests are not affected.",
    )
