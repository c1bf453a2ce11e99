"""What a backend declares is what is said and judged of its targets: its name everywhere, and nothing that it does not show."""

import re
from dataclasses import replace

import pytest

from monitor.core.backend import BACKEND, OWNER, PHOENIX, SECTION, STATUS, TRACELOOP, BackendTraits
from monitor.core.diagnosis import diagnose
from monitor.core.drift import AUTHORIZATION, ENDPOINT, HEADERS, ExportConfig, compare
from monitor.core.faults import FAULTS
from monitor.core.incident import Place
from monitor.core.key import judge_refused_key
from monitor.core.model import Component, Fault, Service
from monitor.core.path import TRIAGE, hops
from monitor.core.refine import UNCHECKED, refine
from monitor.core.state import TargetState
from monitor.core.suspicions import drift
from monitor.core.trace import Route
from monitor.web.texts import runbook_text, runbooks
from tests.core.build import (
    OURS,
    POLICY,
    PROD,
    ROWS,
    THEIRS,
    Story,
    expectation,
    manifest,
    policy,
    secret,
    spans,
)

WITH_PHOENIX = policy(backend=PHOENIX)
EVERY_BACKEND = pytest.mark.parametrize("backend", [TRACELOOP, PHOENIX], ids=lambda each: each.name)


@EVERY_BACKEND
def test_a_backend_has_a_name_in_every_closed_list(backend: BackendTraits) -> None:
    """One word is its section of the settings, its component, its service and its hop."""
    assert (backend.component, backend.service) == (Component(backend.slug), Service(backend.slug))
    assert Place(backend.slug).label == backend.name


@EVERY_BACKEND
def test_every_place_of_a_name_is_filled(backend: BackendTraits) -> None:
    """And what is not one is left alone, whatever it holds."""
    text = f"{BACKEND} {STATUS} {OWNER} `{SECTION}.api_key` {{since}} {{0}} {{"
    said = f"{backend.name} {backend.status} {backend.owner} `{backend.slug}.api_key` {{since}} {{0}} {{"
    assert backend.name_in(text) == said
    assert backend.name_in("nothing to fill") == "nothing to fill"


def test_who_has_to_act_is_the_backend_of_the_target() -> None:
    """The table says `traceloop` for every backend; others who act stay."""
    assert [PHOENIX.acting(each) for each in (Component.TRACELOOP, Component.EXPORT)] == [
        Component.PHOENIX,
        Component.EXPORT,
    ]
    assert TRACELOOP.acting(Component.TRACELOOP) is Component.TRACELOOP


def test_what_is_not_shown_is_listed() -> None:
    """In words, for people."""
    assert PHOENIX.cannot_tell == ("service name", "resource attributes", "environment")
    assert TRACELOOP.cannot_tell == ()


@pytest.mark.parametrize("fault", Fault)
def test_no_fault_of_phoenix_speaks_of_traceloop(fault: Fault) -> None:
    """Every sentence of the table, with the name in its place."""
    row = PHOENIX.fill(FAULTS[fault])
    for text in (row.title, row.impact, row.because, row.advice):
        assert "Traceloop" not in text
        assert "{" not in text.replace("{since}", "")
    texts = [*(place.where + place.step for place in TRIAGE.values()), *(" ".join(each) for each in UNCHECKED.values())]
    assert not [text for text in texts if "Traceloop" in PHOENIX.name_in(text) or "{" in PHOENIX.name_in(text)]


@EVERY_BACKEND
def test_no_place_is_left_in_what_is_said_of_faults(backend: BackendTraits) -> None:
    """The table, the triage, what goes unnoticed, and the runbooks, which are shown as they are written."""
    rows = [backend.fill(row) for row in FAULTS.values()]
    texts = [text for row in rows for text in (row.title, row.impact, row.when, row.settles, row.because, row.advice)]
    texts += [backend.name_in(text) for place in TRIAGE.values() for text in (place.where, place.step)]
    texts += [backend.name_in(text) for each in UNCHECKED.values() for text in each]
    texts += [runbook_text(name) for name in runbooks()]
    assert not [text for text in texts if re.search(r"\{(backend|status|owner|section)\}", text)]


def test_the_last_hop_is_the_backend() -> None:
    """On the page before anything was checked, and in a diagnosis."""
    found = hops(TargetState(target=PROD), None, backend=PHOENIX)
    assert [hop.place for hop in found] == [Place.GATEWAY, Place.TRUEFOUNDRY, Place.EXPORT, Place.PHOENIX]


def test_a_trace_that_arrived_says_what_was_not_judged() -> None:
    """As evidence, where the backend does not show it."""
    for given, shown in ((WITH_PHOENIX, "service name, resource attributes, environment"), (POLICY, None)):
        story = Story(policy=given).proven()
        canary = story.canary()
        for _ in range(2):
            story.wait(2).see(canary, spans(1), route=Route.WAREHOUSE)
        labels = story.known(canary).labels
        assert labels is not None
        assert labels.evidence.get("not_shown") == shown


def test_another_key_stops_the_export_only_where_it_is_another_place() -> None:
    """With Phoenix it may be as good as ours, and is another key all the same."""
    expected = expectation()
    differs = manifest(key=THEIRS)
    assert compare(expected, differs).other_key
    elsewhere = compare(replace(expected, key_is_place=False), differs)
    assert (elsewhere.stops_export, elsewhere.other_key, elsewhere.rerouted) == (False, True, False)


def test_another_project_is_another_place() -> None:
    """Its difference says where the setting is, and what follows; with another one that stops the export, that comes first."""
    path = f"{HEADERS}.x-project-name"
    expected = expectation()
    rules = {**expected.rules, path: expected.rules[AUTHORIZATION]}
    expected = replace(expected, rules=rules, routing=frozenset({path}), backend="Phoenix")
    actual = manifest()
    fields = {**actual.fields, path: secret(THEIRS, OURS)}
    comparison = compare(expected, ExportConfig(fields=fields))
    assert comparison.rerouted
    suspicion = drift(comparison)
    assert suspicion.step.startswith(f"Set Headers → X-Project-Name to the project in `{SECTION}.project`")
    assert suspicion.impact.startswith("Traces are not stored in the project that the monitor reads from {since} on.")
    assert not compare(expected, ExportConfig(fields={**fields, ENDPOINT: "https://elsewhere"})).rerouted


def test_a_missing_authorization_is_answered_by_the_backend() -> None:
    """By its name."""
    actual = manifest()
    fields = {path: value for path, value in actual.fields.items() if path != AUTHORIZATION}
    (difference,) = compare(replace(expectation(), backend="Phoenix"), ExportConfig(fields=fields)).differences
    assert difference.hint == "Phoenix answers 401 and the exporter drops every trace"


def test_a_diagnosis_names_the_backend_and_its_component() -> None:
    """Title, reasons and the next step, and who has to act."""
    story = Story(policy=WITH_PHOENIX)
    for _ in range(3):
        span = story.wait(1).control()
        story.wait(400).control_seen(span, shown=False)
    found = diagnose(story.state, WITH_PHOENIX, story.now)
    assert found is not None
    assert (found.fault, found.component) == (Fault.INGEST_FAILING, Component.PHOENIX)
    assert found.title == "Phoenix accepts traces and does not show them"
    assert found.advice.startswith("Check Phoenix's log, and report what was seen to whoever runs Phoenix.")
    (active,) = story.state.confirmed.values()
    assert refine(active, story.state, POLICY, story.now).title == found.title  # what is remembered is final


def test_the_table_of_traceloop_is_as_it_was() -> None:
    """Its own sentences, by which operators know them."""
    assert ROWS[Fault.INGEST_FAILING].advice == (
        "Check https://status.traceloop.com, and report what was seen to Traceloop. The gateway is not at fault."
    )
    assert ROWS[Fault.KEY_REJECTED].title == "Traceloop rejects the exporter's key"


def test_a_phoenix_that_wants_a_key_where_none_is_configured_is_named_so() -> None:
    """Nobody's key is rejected: there is none."""
    expected = expectation()
    keyless = replace(expected, rules={path: rule for path, rule in expected.rules.items() if path != AUTHORIZATION})
    given = policy(backend=PHOENIX, expected=keyless)
    suspicion = judge_refused_key(TargetState(target=PROD), given, "Phoenix's read API")
    assert suspicion is not None
    assert PHOENIX.name_in(suspicion.title) == "Phoenix asks for a key, and none is configured"
    assert "`phoenix.api_key`" in PHOENIX.name_in(suspicion.step)
    assert suspicion.summary == "Phoenix's read API answers HTTP 401"
