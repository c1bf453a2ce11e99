"""Faults of TrueFoundry's control plane and its own trace store, and of what stands before every service."""

from collections.abc import Mapping

from monitor.core.model import Fault
from monitor.sandbox.faults.kinds import (
    CLOUDFLARE_1010,
    HTML,
    JSON,
    Act,
    Disturbance,
    Host,
    How,
    Reply,
    SandboxFault,
    Twist,
    fault,
)

_SERVICE = ("/api/svc/",)
_STORE = ("/api/svc/v1/spans/query",)
_UNAVAILABLE = Reply(status=503, body='{"message":"Service unavailable"}', content_type=JSON)
_BROKEN = Reply(status=500, body='{"message":"Internal server error"}', content_type=JSON)
_PAGE = Reply(status=200, body="<!doctype html><title>TrueFoundry</title>", content_type=HTML)


def _service(about: str, how: How, reply: Reply = _UNAVAILABLE) -> SandboxFault:
    return fault(about, Disturbance(host=Host.CONTROL_PLANE, how=how, paths=_SERVICE, reply=reply), named=Fault.BLIND)


def _store(about: str, how: How, reply: Reply = _BROKEN) -> SandboxFault:
    return fault(about, Disturbance(host=Host.CONTROL_PLANE, how=how, paths=_STORE, reply=reply))


FAULTS: Mapping[str, SandboxFault] = {
    "blind": fault(
        "Cloudflare answers 1010 before every service",
        *(
            Disturbance(host=host, how=How.REPLY, reply=CLOUDFLARE_1010)
            for host in (Host.CONTROL_PLANE, Host.GATEWAY, Host.TRACELOOP)
        ),
        named=Fault.BLIND,
    ),
    "control_plane_unreachable": fault(
        "nobody listens where the control plane should be",
        Disturbance(host=Host.CONTROL_PLANE, how=How.REFUSE),
        named=Fault.BLIND,
    ),
    "control_plane_silent": _service("the control plane never answers", How.SILENCE),
    "control_plane_reset": _service("the control plane resets every connection", How.RESET),
    "control_plane_failing": _service("the control plane answers 503", How.REPLY),
    "control_plane_slow": _service("the control plane needs half a minute", How.SLOW),
    "control_plane_truncated": _service("the control plane closes the connection in mid-answer", How.TRUNCATE),
    "control_plane_garbled": _service("the control plane sends JSON that breaks off", How.GARBLE),
    "control_plane_reshaped": _service("the control plane answers in another shape", How.RESHAPE),
    "control_plane_page": _service("the control plane answers 200 with a web page", How.REPLY, _PAGE),
    "control_plane_endless": _service("the control plane's answer does not end", How.ENDLESS),
    "control_plane_bomb": _service("the control plane's answer grows a thousandfold when unpacked", How.BOMB),
    "control_plane_forbidden": fault(
        "the token may not read the gateway's configuration: 403", Act(twist=Twist.FORBID_SETTINGS), named=Fault.BLIND
    ),
    "control_plane_signed_out": fault(
        "the control plane no longer knows the token", Act(twist=Twist.FORGET_SESSION), named=Fault.BLIND
    ),
    "own_store_failing": _store("TrueFoundry's own store answers 500", How.REPLY),
    "own_store_slow": _store("TrueFoundry's own store needs half a minute", How.SLOW),
    "own_store_garbled": _store("TrueFoundry's own store sends JSON that breaks off", How.GARBLE),
    "own_store_empty": fault("TrueFoundry's own store shows nothing to this account", Act(twist=Twist.HIDE_OWN_STORE)),
}
