"""Alertmanager: one alert per incident, the same as long as it lasts."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from monitor.core.incident import Notice, Reason
from monitor.http import Http, InProcess
from monitor.notifiers.alertmanager import LASTS, AlertmanagerNotifier
from monitor.ports import Notifier, Undeliverable
from tests.fakes.clock import START, FakeClock
from tests.notifiers import notices
from tests.notifiers.contract import REDACT, NotifierContract, Reader
from tests.notifiers.notices import KINDS
from tests.notifiers.receiver import Receiver
from tests.notifiers.slack.scripted import Said, html


class Cluster:
    """Two instances."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.one, self.two = Receiver(), Receiver()
        self.network = InProcess({"am-1": self.one.asgi, "am-2": self.two.asgi})

    def heard(self) -> list[str]:
        """What the first instance was sent."""
        return [str(alert) for alerts in self.one.taken for alert in alerts]

    def refuse_once(self, *, permanent: bool) -> None:
        """By both."""
        if permanent:
            pytest.skip("nothing is permanent: it is mended over there")
        self.one.script.append(html(503))
        self.two.script.append(html(400))

    def alerts(self) -> list[dict[str, Any]]:
        """Every alert that the first instance took."""
        return [alert for alerts in self.one.taken for alert in alerts]


def a_notifier(cluster: Cluster, **more: Any) -> AlertmanagerNotifier:
    """A notifier for both instances."""
    defaults: dict[str, Any] = {
        "http": Http(clock=cluster.clock, transport=cluster.network),
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
        await notifier.tell(notices.resolved())
        assert _moment(reader.alerts()[0]["endsAt"]) == START + 900


@pytest.fixture
def cluster() -> Cluster:
    """A cluster."""
    return Cluster()


async def test_an_opening_fires(cluster: Cluster) -> None:
    """With what on-call needs as annotations, at every instance."""
    await a_notifier(cluster).tell(notices.drift())
    (alert,) = cluster.alerts()
    assert alert["labels"] == {
        "alertname": "GatewayTraceIncident",
        "target": "prod",
        "team": "ml-platform",
        "source": "trace-monitor",
    }
    assert alert["annotations"]["fault"] == "config_drift"
    assert alert["annotations"]["severity"] == "critical"
    assert alert["annotations"]["summary"].startswith("The gateway's export configuration is not as expected")
    assert "endpoint: expected" in alert["annotations"]["because"]
    assert alert["annotations"]["runbook_url"] == "https://monitor.acme.dev/runbooks/config_drift"
    assert alert["generatorURL"] == "https://monitor.acme.dev/"
    assert _moment(alert["startsAt"]) == START
    assert _moment(alert["endsAt"]) == START + LASTS
    assert cluster.two.taken == cluster.one.taken
    assert cluster.one.paths == ["/api/v2/alerts"]
    assert cluster.two.paths == ["/prefix/api/v2/alerts"]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_identity_of_an_alert_does_not_change(cluster: Cluster, kind: str) -> None:
    """Neither by another name or severity, nor by what is known of it: else it would page twice and never resolve."""
    await a_notifier(cluster).tell(notices.opened())
    await a_notifier(cluster).tell(KINDS[kind]())
    first, later = cluster.alerts()
    assert first["labels"] == later["labels"]
    assert first["startsAt"] == later["startsAt"]


async def test_a_refresh_posts_all_that_is_open_at_once(cluster: Cluster) -> None:
    """Each fires for another while; without anything open nothing is asked."""
    notifier = a_notifier(cluster)
    await notifier.refresh([])
    assert cluster.one.bodies == []
    await cluster.clock.advance(600)
    await notifier.refresh([notices.opened(), _of_target("stg")])
    assert [alert["labels"]["target"] for alert in cluster.alerts()] == ["prod", "stg"]
    assert {_moment(alert["endsAt"]) for alert in cluster.alerts()} == {START + 600 + LASTS}


async def test_one_instance_that_takes_it_is_enough(cluster: Cluster) -> None:
    """Whichever it is."""
    cluster.network.take_down("am-1")
    await a_notifier(cluster).tell(notices.opened())
    assert len(cluster.two.taken) == 1


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
        await a_notifier(cluster).tell(notices.opened())
    error = raised.value
    assert (error.permanent, error.unknown, error.retry_after) == (False, unknown, retry_after)


async def test_no_instance_answers(cluster: Cluster) -> None:
    """Then nothing can have been taken."""
    cluster.network.take_down("am-1")
    cluster.network.take_down("am-2")
    with pytest.raises(Undeliverable) as raised:
        await a_notifier(cluster).tell(notices.opened())
    assert not raised.value.unknown


async def test_no_label_replaces_the_identity(cluster: Cluster) -> None:
    """Whatever is configured."""
    await a_notifier(cluster, labels={"alertname": "mine", "target": "mine"}).tell(notices.opened())
    assert cluster.alerts()[0]["labels"]["alertname"] == "GatewayTraceIncident"
    assert cluster.alerts()[0]["labels"]["target"] == "prod"


async def test_without_an_external_url_there_are_no_links(cluster: Cluster) -> None:
    """And nothing that is empty."""
    await a_notifier(cluster, external_url=None).tell(notices.opened())
    alert = cluster.alerts()[0]
    assert "generatorURL" not in alert
    assert "runbook_url" not in alert["annotations"]
    assert all(alert["annotations"].values())


async def test_a_closed_one_never_ends_before_it_began(cluster: Cluster) -> None:
    """Alertmanager would refuse it; a clock was set back."""
    notice = notices.a_notice(Reason.RESOLVED, notices.an_incident(closed_at=START - 60))
    await a_notifier(cluster).tell(notice)
    assert cluster.alerts()[0]["endsAt"] == cluster.alerts()[0]["startsAt"]


async def test_a_test_is_an_alert_of_its_own_that_ends_soon(cluster: Cluster) -> None:
    """It is not taken for an incident."""
    await a_notifier(cluster).test("hello")
    (alert,) = cluster.alerts()
    assert alert["labels"]["alertname"] == "GatewayTraceIncidentTest"
    assert _moment(alert["endsAt"]) == START + 60


def _of_target(name: str) -> Notice:
    incident = notices.opened().incident
    return replace(notices.opened(), incident=replace(incident, target=type(incident.target)(name)))


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
