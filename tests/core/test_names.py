"""What stands for what: addresses, time zones and URLs, in whichever way they are written."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from monitor.core.address import is_link_local, is_loopback, normal_url, parse_address
from monitor.core.silence import zone_of, zone_problem


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST.", "a.localhost"])
def test_this_machine_is_known_by_its_names_and_numbers(host: str) -> None:
    """Also by those that nobody has to look up."""
    assert is_loopback(host)
    assert not is_loopback("example.com")
    assert not is_loopback("192.0.2.1")


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::"],
)
def test_a_metadata_service_is_known_in_every_disguise(host: str) -> None:
    """Cloud providers hand out credentials there."""
    assert is_link_local(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "64:ff9b::c000:201", "example.com"])
def test_any_other_address_is_none(host: str) -> None:
    """Nor is a name: what it stands for is judged when it is known."""
    assert not is_link_local(host)
    assert (parse_address(host) is None) == (host == "example.com")


def test_without_a_database_of_time_zones_the_complaint_says_so() -> None:
    """UTC is known everywhere."""
    assert (zone_of("UTC"), zone_of("Europe/Berlin")) == (UTC, ZoneInfo("Europe/Berlin"))
    assert (zone_problem("UTC"), zone_problem("Europe/Berlin")) == (None, None)
    assert "is not a time zone" in str(zone_problem("Europe/Bielefeld"))
    assert zone_problem("UTC", known=set) is None
    assert "no time-zone database" in str(zone_problem("Europe/Bielefeld", known=set))


@pytest.mark.parametrize(
    ("spelling", "normal"),
    [
        ("HTTPS://API.Traceloop.com:443/v1/traces", "https://api.traceloop.com/v1/traces"),
        ("http://h:80", "http://h/"),
        ("http://h:8080/a/../b/./c/..", "http://h:8080/b/"),
        ("https://h/%7Euser/%2f?q=%41", "https://h/~user/%2F?q=A"),
        ("https://user@h/x", "https://user@h/x"),
        ("Collector:4317", "collector:4317"),
        ("no URL", "no URL"),
    ],
)
def test_two_spellings_of_one_url_are_one(spelling: str, normal: str) -> None:
    """https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2."""
    assert normal_url(spelling) == normal
    assert normal_url(normal) == normal
