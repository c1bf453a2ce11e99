"""What could not be read settles nothing: nobody is accused because an answer did not come, or could not be understood."""

from dataclasses import replace

import pytest

from monitor.core.model import Verdict
from monitor.doctor.snapshot import Answered, Reply
from monitor.ports import ConfigAnswer, Garbled, Refused, Unreachable
from tests.doctor.test_about import FAIL, PASS, UNKNOWN, ask, healthy, short


@pytest.mark.parametrize(
    "unread",
    [
        None,
        Unreachable("no answer", kind="timeout"),
        Garbled("no JSON"),
        Refused("HTTP 403", status=403),
        Refused("Cloudflare's 1010", status=401, blocked=True),
    ],
    ids=["not asked", "timeout", "garbled", "forbidden", "blocked"],
)
async def test_where_nobody_could_look_the_token_is_not_accused(unread: Reply[ConfigAnswer]) -> None:
    """A session without a tenant proves nothing alone."""
    seen = replace(await healthy(), tenant=Answered(None), config=unread)
    given = ask("control_plane_token", seen)
    assert (given.answer, given.verdict) == ("not told", UNKNOWN)
    assert given.summary == (
        "The session of TrueFoundry's control plane names no tenant, and the configuration could not be read: "
        "whether the token is accepted is not known."
    )


async def test_the_quick_route_is_compared_with_a_documented_read_that_was_refused_too() -> None:
    """One that timed out has said nothing of the key."""
    closed = replace(await healthy(), quick=Refused("HTTP 401", status=401))
    windows: list[tuple[Reply[object], Verdict]] = [
        (Refused("HTTP 401", status=401), UNKNOWN),
        (Unreachable("no answer", kind="timeout"), PASS),
        (Garbled("no JSON"), PASS),
        (Answered(None), PASS),
    ]
    for window, expected in windows:
        given = ask("trace_route", replace(closed, window=window))
        assert (given.answer, given.verdict) == ("401", expected)
        assert ("as the documented one does" in given.summary) is (expected is UNKNOWN)


async def test_of_several_other_keys_only_the_refused_are_accused() -> None:
    """Whichever was asked first."""
    refused, silent = Refused("HTTP 401", status=401), Unreachable("no answer", kind="timeout")
    both: list[dict[str, Reply[object]]] = [{"dev": silent, "stg": refused}, {"dev": refused, "stg": silent}]
    for environments in both:
        given = ask("other_environments", replace(await healthy(), environments=environments))
        assert (given.answer, given.verdict) == ("401", FAIL)
        (slug,) = (slug for slug, reply in environments.items() if reply is refused)
        assert slug in given.summary
        assert ({"dev", "stg"} - {slug}).pop() not in given.summary


async def test_a_read_that_fails_at_the_end_accuses_nobody() -> None:
    """What a trace carries stays open then."""
    seen = replace(await healthy(), spans=Unreachable("traceloop: no answer", kind="timeout"))
    for slug in ("content", "credentials", "environment", "naming", "service_name", "resource_attributes", "metadata"):
        assert short(slug, seen) == ("timeout", UNKNOWN)
