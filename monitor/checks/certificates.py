"""Until when the certificates of the services hold, as far as requests have shown."""

from monitor.core.model import Instant, Service


class Certificates:
    """Hears of every certificate by `note`, as `on_certificate` of `monitor.http.Http`; the newest of each service is kept."""

    def __init__(self) -> None:
        self._expires_at: dict[Service, Instant] = {}

    def note(self, service: Service, expires_at: Instant) -> None:
        """A service has shown its certificate."""
        self._expires_at[service] = expires_at

    def of(self, service: Service, endpoint: str) -> tuple[str, Instant] | None:
        """The endpoint under which it is shown, and when it expires; None where there was none to see."""
        expires_at = self._expires_at.get(service)
        return None if expires_at is None else (endpoint, expires_at)
