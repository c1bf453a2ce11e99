"""What the page shows of a target beside its state."""

from monitor.core.model import CheckName
from monitor.daemon.service import about_targets, notices_of
from monitor.web.page import PageContext, status_page
from tests.daemon.home import DEMO, home


async def test_limits_labels_links_and_next_runs_of_a_target_are_known() -> None:
    """As configured, and as the schedule has them."""
    async with home() as it:
        await it.clock.advance(20)
        about = about_targets(it.daemon)[DEMO]
        assert about.policy is it.daemon.policies[DEMO]
        now = it.clock.now()
        cadences = it.daemon.policies[DEMO].cadences
        assert set(about.next_runs) == set(cadences) - {CheckName.ARRIVAL}
        assert all(now <= at <= now + cadences[check].every for check, at in about.next_runs.items())
        target = it.daemon.settings.targets[DEMO]
        assert target.control_plane is not None
        assert dict(about.links)["TrueFoundry"] == target.control_plane.url
        assert dict(about.links)["Traceloop"] == target.backend.url
        assert about.labels == target.labels


async def test_traceloop_s_own_api_is_linked_to_its_app() -> None:
    """People read traces there; an API would show them JSON."""
    async with home() as it:
        settings = it.settings(targets={"demo": {"traceloop": {"url": "https://api.traceloop.com"}}})
        await it.apply(settings)
        assert dict(about_targets(it.daemon)[DEMO].links)["Traceloop"] == "https://app.traceloop.com"


async def test_a_target_that_is_not_at_work_has_no_next_run() -> None:
    """It was taken out of the configuration a moment ago."""
    async with home() as it:
        assert it.daemon.next_runs(DEMO)
        assert it.daemon.next_runs(DEMO.__class__("another")) == {}


async def test_who_was_notified_of_an_incident_is_read_from_the_history() -> None:
    """Opened and resolved, as they were delivered; the page has each once."""
    async with home() as it:
        await it.sandbox.break_("exporter_disabled")
        await it.clock.advance(200)
        (incident,) = it.state().incidents
        notices = await notices_of(incident, it.store)
        assert {one.notified.reason.value for one in notices} == {"opened"}
        assert {one.incident_id for one in notices} == {incident.id}
        page = status_page(
            it.daemon.report(),
            it.daemon.state,
            troubles=(),
            version="1",
            now=it.clock.now(),
            context=PageContext(about=about_targets(it.daemon)),
        )
        assert "the traces exporter is off" in page
        assert "is switched off" in page
