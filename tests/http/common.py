"""What the tests of `monitor.http` share."""

import ssl
from typing import Any

import trustme

from monitor.clock import SystemClock
from monitor.core.model import Service
from monitor.http import Answer, Http, Network
from monitor.redaction import Redactor

SECRET = "its-value-looks-like-nothing-0815"
"""Known to the redactor, and to nobody by its looks."""


class Received:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[Service, str]] = []
        self.certificates: list[float] = []

    def answer(self, service: Service, outcome: str) -> None:
        """An outcome."""
        self.outcomes.append((service, outcome))

    def certificate(self, _service: Service, until: float) -> None:
        """A certificate."""
        self.certificates.append(until)


def over_network(received: Received | None = None, **options: Any) -> Http:
    """Real sockets, no proxy from the environment of the tests."""
    redactor = Redactor([SECRET])
    network = Network(redactor=redactor, **{"environ": {}, **options})
    received = received or Received()
    return Http(
        clock=SystemClock(),
        transport=network,
        redactor=redactor,
        on_answer=received.answer,
        on_certificate=received.certificate,
    )


async def ask(http: Http, url: str, *, timeout: float = 20.0, **options: Any) -> Answer:
    """A GET of the gateway's."""
    return await http.request(Service.GATEWAY, "GET", url, timeout=timeout, **options)


def tls(name: str, **options: Any) -> tuple[trustme.CA, ssl.SSLContext]:
    """An authority, and a server's side of TLS with a certificate by it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, **options).configure_cert(context)
    return authority, context
