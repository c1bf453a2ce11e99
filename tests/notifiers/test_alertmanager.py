"""Alertmanager: one alert per incident, the same as long as it lasts."""

import json
from dataclasses import replace
from typing import Any

import pytest

from monitor.core.incident import Notice, Reason
from monitor.core.model import Severity
from monitor.http import Http
from monitor.notifiers.alertmanager import LASTS, AlertmanagerNotifier
from monitor.ports import Notifier, Undeliverable
from monitor.redaction import Redactor
from tests.fakes.breakable import Breakable
from tests.fakes.clock import START, FakeClock
from tests.notifiers import notices
from tests.notifiers.contract import REDACT, SECRET, NotifierContract, Reader
from tests.notifiers.notices import KINDS
from tests.notifiers.receiver import FakeAlertmanager, Receiver, Said, html, moment


class Cluster:
    """Two instances."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.one, self.two = Receiver(), Receiver()
        self.network = Breakable({"am-1": self.one.asgi, "am-2": self.two.asgi})

    def received(self) -> list[str]:
        """What the first instance was sent."""
        return [str(alert) for alerts in self.one.taken for alert in alerts]

    def refuse_once(self, *, permanent: bool) -> None:
        """By both."""
        assert not permanent, "nothing is permanent here: it is fixed over there"
        self.one.script.append(html(503))
        self.two.script.append(html(400))

    def alerts(self) -> list[dict[str, Any]]:
        """Every alert that the first instance took."""
        return [alert for alerts in self.one.taken for alert in alerts]


def a_notifier(cluster: Cluster, **more: Any) -> AlertmanagerNotifier:
    """A notifier for both instances."""
    defaults: dict[str, Any] = {
        "http": Http(clock=cluster.clock, transport=cluster.network, redactor=Redactor()),
        "clock": cluster.clock,
        "urls": ["http://am-1:9093", "http://am-2:9093/prefix/"],
        "redact": REDACT,
        "labels": {"source": "trace-monitor"},
        "external_url": "https://monitor.acme.dev/",
    }
    return AlertmanagerNotifier(**{**defaults, **more})


class TestAlertmanager(NotifierContract):
    """By POST /api/v2/alerts."""

    @pytest.fixture
    def reader(self) -> Reader:
        """A cluster."""
        return Cluster()

    @pytest.fixture
    def notifier(self, reader: Reader) -> Notifier:
        """The notifier."""
        assert isinstance(reader, Cluster)
        return a_notifier(reader)

    async def test_a_resolve_says_so(self, notifier: Notifier, reader: Reader) -> None:
        """By its end, as Alertmanager wants it; the word is Alertmanager's own."""
        assert isinstance(reader, Cluster)
        await notifier.deliver(notices.resolved())
        assert moment(reader.alerts()[0]["endsAt"]) == START + 900


@pytest.fixture
def cluster() -> Cluster:
    """A cluster."""
    return Cluster()


async def test_an_opening_fires(cluster: Cluster) -> None:
    """With what on-call needs as annotations, at every instance."""
    await a_notifier(cluster).deliver(notices.drift())
    (alert,) = cluster.alerts()
    assert alert["labels"] == {
        "alertname": "GatewayTraceIncident",
        "target": "prod",
        "team": "ml-platform",
        "source": "trace-monitor",
    }
    assert alert["annotations"]["fault"] == "config_drift"
    assert alert["annotations"]["severity"] == "critical"
    assert alert["annotations"]["summary"] == "The export configuration is not as expected. 2 fields differ."
    assert "Endpoint is `https://api.traceloop.com`, should be" in alert["annotations"]["because"]
    assert alert["annotations"]["impact"].endswith("the difference has existed since 2027-01-15 07:59 UTC.")
    assert alert["annotations"]["path"] == "gateway ✅ → TrueFoundry ❔ → export ❌ → Traceloop ✅"
    assert alert["annotations"]["runbook_url"] == "https://monitor.acme.dev/runbooks/config_drift"
    assert alert["annotations"]["dashboard_url"] == f"https://monitor.acme.dev/incidents/{notices.an_incident().id}"
    assert alert["generatorURL"] == "https://monitor.acme.dev/"
    assert moment(alert["startsAt"]) == START
    assert moment(alert["endsAt"]) == START + LASTS
    assert cluster.two.taken == cluster.one.taken
    assert cluster.one.paths == ["/api/v2/alerts"]
    assert cluster.two.paths == ["/prefix/api/v2/alerts"]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_identity_of_an_alert_does_not_change(cluster: Cluster, kind: str) -> None:
    """Neither by another name or severity, nor by what is known of it: else it would page twice and never resolve."""
    await a_notifier(cluster).deliver(notices.opened())
    await a_notifier(cluster).deliver(KINDS[kind]())
    first, *later = cluster.alerts()
    assert len(later) == (kind != "recounted")  # what is found out after the end is no business of Alertmanager's
    assert all((first["labels"], first["startsAt"]) == (alert["labels"], alert["startsAt"]) for alert in later)


async def test_a_refresh_posts_all_that_was_notified_at_once(cluster: Cluster) -> None:
    """Each fires for another while."""
    notifier = a_notifier(cluster)
    await cluster.clock.advance(600)
    assert await notifier.refresh([notices.opened(), _of_target("stg")]) == ""
    assert len(cluster.one.bodies) == 1
    assert [alert["labels"]["target"] for alert in cluster.alerts()] == ["prod", "stg"]
    assert {moment(alert["endsAt"]) for alert in cluster.alerts()} == {START + 600 + LASTS}


async def test_a_refresh_asks_even_when_nothing_is_open(cluster: Cluster) -> None:
    """Whether somebody is there is to be known before it is needed; who is not is named."""
    notifier = a_notifier(cluster)
    assert await notifier.refresh([]) == ""
    assert cluster.one.bodies == cluster.two.bodies == [b"[]"]
    cluster.network.take_down("am-2")
    assert "am-2" in await notifier.refresh([])
    cluster.network.take_down("am-1")
    with pytest.raises(Undeliverable) as raised:
        await notifier.refresh([])
    assert "am-1" in str(raised.value)
    assert "am-2" in str(raised.value)


async def test_one_instance_that_takes_it_is_enough(cluster: Cluster) -> None:
    """Whichever it is; if none answers, nothing can have been taken."""
    cluster.network.take_down("am-1")
    await a_notifier(cluster).deliver(notices.opened())
    assert len(cluster.two.taken) == 1
    cluster.network.take_down("am-2")
    with pytest.raises(Undeliverable) as raised:
        await a_notifier(cluster).deliver(notices.opened())
    assert not raised.value.unknown


@pytest.mark.parametrize(
    ("one", "two", "unknown", "retry_after"),
    [
        (html(503), html(503), True, None),
        (html(400), html(404), False, None),
        (html(400), html(500), True, None),
        (Said(429, b"", {"retry-after": "20"}), Said(429, b"", {"retry-after": "5"}), False, 5.0),
    ],
)
async def test_when_none_takes_it(
    cluster: Cluster, one: Said, two: Said, unknown: bool, retry_after: float | None
) -> None:
    """It may have been taken if any may have; never is it permanent."""
    cluster.one.script.append(one)
    cluster.two.script.append(two)
    with pytest.raises(Undeliverable) as raised:
        await a_notifier(cluster).deliver(notices.opened())
    error = raised.value
    assert (error.permanent, error.unknown, error.retry_after) == (False, unknown, retry_after)


async def test_no_label_replaces_the_identity(cluster: Cluster) -> None:
    """Whatever is configured."""
    await a_notifier(cluster, labels={"alertname": "mine", "target": "mine"}).deliver(notices.opened())
    assert cluster.alerts()[0]["labels"]["alertname"] == "GatewayTraceIncident"
    assert cluster.alerts()[0]["labels"]["target"] == "prod"


async def test_without_an_external_url_there_are_no_links(cluster: Cluster) -> None:
    """And nothing that is empty."""
    await a_notifier(cluster, external_url=None).deliver(notices.opened())
    alert = cluster.alerts()[0]
    assert "generatorURL" not in alert
    assert "runbook_url" not in alert["annotations"]
    assert all(alert["annotations"].values())


async def test_a_closed_one_never_ends_before_it_began(cluster: Cluster) -> None:
    """Alertmanager would refuse it; a clock was set back."""
    notice = notices.a_notice(Reason.RESOLVED, notices.an_incident(closed_at=START - 60))
    await a_notifier(cluster).deliver(notice)
    assert cluster.alerts()[0]["endsAt"] == cluster.alerts()[0]["startsAt"]


async def test_a_test_is_an_alert_of_its_own_that_ends_soon_and_has_to_reach_every_instance(cluster: Cluster) -> None:
    """It is not taken for an incident. An instance that is misspelt would never be noticed else: it is named."""
    await a_notifier(cluster).test("hello")
    (alert,) = cluster.alerts()
    assert alert["labels"] == {"alertname": "GatewayTraceIncidentTest", "source": "trace-monitor"}
    assert alert["annotations"] == {"summary": "hello"}
    assert moment(alert["endsAt"]) == START + 60
    cluster.network.take_down("am-2")
    with pytest.raises(Undeliverable) as raised:
        await a_notifier(cluster).test("hello")
    assert "am-2" in str(raised.value)
    assert "am-1" not in str(raised.value)


_COMPLAINT = Said(400, json.dumps(f"bad label {SECRET}").encode(), {"content-type": "application/json"})


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        pytest.param(_COMPLAINT, "Alertmanager at am-1:9093 answers 400: bad label ••••", id="a complaint"),
        pytest.param(html(200), "answers with a web page", id="a page to sign in with is no Alertmanager"),
    ],
)
async def test_why_alertmanager_did_not_take_it_is_said(cluster: Cluster, said: Said, shown: str) -> None:
    """With who says so; a secret in it is not."""
    for receiver in (cluster.one, cluster.two):
        receiver.script.append(said)
    with pytest.raises(Undeliverable) as raised:
        await a_notifier(cluster).deliver(notices.opened())
    assert shown in str(raised.value)


async def test_a_severity_that_cannot_change_is_a_label(cluster: Cluster) -> None:
    """So that routes may go by it; a label of the target's own is stronger, and both are stronger than what all have."""
    more = {"labels": {"severity": "critical", "team": "all"}, "max_severities": {notices.PROD: Severity.WARNING}}
    notifier = a_notifier(cluster, **more)
    await notifier.deliver(notices.opened())
    await notifier.deliver(_of_target("stg"))
    await notifier.deliver(notices.a_notice(labels={"severity": "page"}))
    assert [alert["labels"]["severity"] for alert in cluster.alerts()] == ["warning", "critical", "page"]
    assert [alert["labels"]["team"] for alert in cluster.alerts()] == ["ml-platform", "ml-platform", "all"]


async def test_an_alert_keeps_its_labels_whatever_is_configured_meanwhile(cluster: Cluster) -> None:
    """Else the old one would go on, and the new one would page again; one that comes back has those of now."""
    receipt = await a_notifier(cluster).deliver(notices.opened())
    notified = notices.notified_of(notices.an_incident(), receipt=receipt)
    other = a_notifier(cluster, labels={"source": "renamed"})
    gone = replace(notices.resolved(), notified=notified, labels={})  # a target that was removed has no labels any more
    await other.deliver(gone)
    await other.refresh([replace(gone, notified=replace(notified, closed=True))])
    await other.deliver(replace(notices.again(), notified=replace(notified, closed=True)))
    first, ended, repeated, back = (alert["labels"] for alert in cluster.alerts())
    assert first == ended == repeated == receipt
    assert back == {**first, "source": "renamed"}


async def test_a_receipt_of_another_kind_is_no_identity(cluster: Cluster) -> None:
    """A version before this one left an empty one."""
    for receipt in ({}, {"channel": "C1", "ts": "1.1"}):
        notified = notices.notified_of(notices.an_incident(), receipt=receipt)
        await a_notifier(cluster).deliver(replace(notices.reminder(), notified=notified))
    assert {alert["labels"]["alertname"] for alert in cluster.alerts()} == {"GatewayTraceIncident"}


# --- what Alertmanager makes of it -----------------------------------------------------------------------------------


class House:
    """Two instances as they behave, and a notifier."""

    def __init__(self, *, skew: float = 0.0) -> None:
        self.clock = FakeClock()
        self.one, self.two = FakeAlertmanager(self.clock, skew=skew), FakeAlertmanager(self.clock)
        self.network = Breakable({"am-1": self.one.asgi, "am-2": self.two.asgi})
        self.notifier = AlertmanagerNotifier(
            http=Http(clock=self.clock, transport=self.network, redactor=Redactor()),
            clock=self.clock,
            urls=["http://am-1:9093", "http://am-2:9093"],
            redact=REDACT,
        )

    def opened(self) -> Notice:
        """An incident of now."""
        now = self.clock.now()
        return notices.a_notice(incident=notices.an_incident(id=f"prod-{now}", opened_at=now))

    def resolved(self, opened: Notice) -> Notice:
        """Its end, now."""
        closed = replace(opened.incident, closed_at=self.clock.now())
        return notices.a_notice(Reason.RESOLVED, closed, notified=notices.notified_of(opened.incident, receipt={}))


@pytest.mark.parametrize("skew", [0, 0.4, -0.4, 3, -3, 600, -600, 4000, -4000])
async def test_clocks_that_disagree_delay_neither_opening_nor_end(skew: float) -> None:
    """Ahead of ours, an alert would have ended before it began; behind, its end would be ignored until it lapses."""
    house = House(skew=skew)
    opened = house.opened()
    await house.notifier.deliver(opened)
    assert len(house.one.firing()) == len(house.two.firing()) == 1
    await house.clock.advance(50)
    await house.notifier.refresh([opened])
    await house.clock.advance(700)
    assert len(house.one.firing()) == 1
    await house.notifier.deliver(house.resolved(opened))
    await house.clock.advance(0.001)
    assert house.one.firing() == house.two.firing() == []


async def test_where_clocks_agree_nothing_is_posted_twice() -> None:
    """Also within the second in which the incident was opened and closed."""
    house = House()
    await house.clock.advance(0.9)
    opened = house.opened()
    await house.notifier.deliver(opened)
    await house.clock.advance(0.05)
    await house.notifier.deliver(house.resolved(opened))
    assert len(house.one.bodies) == 2
    assert house.one.firing() == []


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_a_clock_that_is_none_is_not_believed(date: str) -> None:
    """A proxy's, or nobody's: what was posted stands."""
    house = House()
    opened = house.opened()
    for notice in (opened, house.resolved(opened)):
        house.one.script.append(Said(200, b"", {"date": date}))
        await house.notifier.deliver(notice)
    assert len(house.one.paths) == 2


async def test_an_alert_that_is_refused_by_its_own_clock_is_not_reported() -> None:
    """The second post counts, where there had to be one."""
    house = House(skew=4000)
    house.network.take_down("am-2")
    house.one.script.extend([None, html(503)])
    with pytest.raises(Undeliverable) as raised:
        await house.notifier.deliver(house.opened())
    assert raised.value.unknown


async def test_the_end_of_an_incident_does_not_end_the_next_one() -> None:
    """Both have the same labels: an end that could not be reported in time must not be reported any more, in whatever order."""
    house = House()
    first = house.opened()
    await house.notifier.deliver(first)
    await house.clock.advance(100)
    end = house.resolved(first)
    await house.clock.advance(100)
    second = house.opened()
    await house.notifier.deliver(second)
    await house.notifier.deliver(end)
    assert len(house.one.firing()) == 1
    await house.notifier.refresh([second, end])
    assert len(house.one.firing()) == 1
    await house.clock.advance(100)
    await house.notifier.deliver(house.resolved(second))
    await house.clock.advance(0.001)
    assert house.one.firing() == []


async def test_what_is_found_out_after_the_end_does_not_end_the_next_one() -> None:
    """Also by a program that was started meanwhile, and knows nothing of what was posted."""
    house = House()
    first = house.opened()
    await house.clock.advance(100)
    end = house.resolved(first)
    second = house.opened()
    await house.notifier.deliver(second)
    fresh = replace(house.notifier)
    receipt = await fresh.deliver(
        replace(end, reason=Reason.EDITED, notified=notices.notified_of(end.incident, closed=True))
    )
    assert len(house.one.firing()) == 1
    assert receipt["alertname"] == "GatewayTraceIncident"


async def test_who_missed_an_alert_or_its_end_has_it_with_the_next_refresh() -> None:
    """One instance was away, the other has forgotten everything."""
    house = House()
    opened = house.opened()
    house.network.take_down("am-2")
    await house.notifier.deliver(opened)
    house.network.bring_up("am-2")
    house.one.restart()
    await house.notifier.refresh([opened])
    assert len(house.one.firing()) == len(house.two.firing()) == 1
    house.network.take_down("am-2")
    await house.clock.advance(60)
    end = house.resolved(opened)
    await house.notifier.deliver(end)
    house.network.bring_up("am-2")
    await house.notifier.refresh([replace(end, notified=notices.notified_of(end.incident, closed=True, receipt={}))])
    assert house.one.firing() == house.two.firing() == []


async def test_a_silenced_incident_stays_what_it_is_and_says_so() -> None:
    """It is not over, so it is not said to be; Alertmanager calls nobody because of an annotation."""
    house = House()
    await house.notifier.deliver(notices.opened())
    await house.notifier.deliver(notices.silenced())
    (known,) = house.one.alerts.values()
    assert len(house.one.firing()) == 1
    assert known.annotations["state"].startswith("🔕 Silenced until")


def _of_target(name: str) -> Notice:
    incident = notices.opened().incident
    return replace(notices.opened(), incident=replace(incident, target=type(incident.target)(name)))
