"""The trace backend: where traces are meant to arrive. What people call it, and what can be known of a trace there.

A backend declares this in one value; nothing else asks which of them it is. What one cannot tell is not judged, and listed as such:
it is never a fault. Sentences name the backend by the placeholders below, which `BackendTraits.fill` replaces.
"""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from monitor.core.faults import Component
from monitor.core.model import Service

T = TypeVar("T")

BACKEND = "{backend}"
"""The place of its name in a sentence."""

STATUS = "{status}"
"""The place of where people see whether it is healthy: "Check {status}"."""

OWNER = "{owner}"
"""The place of whom to report to: "report what was seen to {owner}"."""

SECTION = "{section}"
"""The place of its section of the settings: "`{section}.api_key`"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendTraits:
    """One backend. `slug` is its section of the settings, and the word for it in labels and JSON.

    `keeps_resource`: a span shows its service name and resource attributes. `has_environments`: a key belongs to an environment, so
    that another key is another place. `by_id_documented`: there is no other way to read one trace than the documented, so a 401
    of it means the key. `values_become_text`: whatever their type was. `free_spans`: what a free plan of the vendor's holds in a
    month; None: there is no such plan.

    For people: `status` is where they see whether it is healthy, `owner` whom they report to, `keys` how they come by a key,
    `read_route` what is read, `if_not_shown` what to look at where a span is accepted and not shown.
    """

    slug: str
    name: str
    status: str
    owner: str
    keeps_resource: bool
    has_environments: bool
    by_id_documented: bool
    values_become_text: bool
    keys: str
    read_route: str
    if_not_shown: str
    free_spans: int | None = None

    @property
    def component(self) -> Component:
        """Who has to act where it is the backend that is broken."""
        return Component(self.slug)

    def acting(self, component: Component) -> Component:
        """Who has to act: of the table of faults, in which `traceloop` stands for every backend."""
        return self.component if component is Component.TRACELOOP else component

    @property
    def service(self) -> Service:
        """The service that is asked."""
        return Service(self.slug)

    @property
    def cannot_tell(self) -> tuple[str, ...]:
        """What is not judged of a trace, in words."""
        resource = () if self.keeps_resource else ("service name", "resource attributes")
        return (*resource, *(() if self.has_environments else ("environment",)))

    @property
    def behind_collector(self) -> "BackendTraits":
        """What an answer of a Collector before it is said of: which of the two it was is not known."""
        return replace(self, name=f"the Collector or {self.name}", status=f"the Collector's log, and {self.status}")

    def name_in(self, text: str) -> str:
        """A sentence with the names in their places."""
        if "{" not in text:
            return text
        if text.startswith(BACKEND):
            text = f"{self.name[0].upper()}{self.name[1:]}{text.removeprefix(BACKEND)}"
        for place, name in ((BACKEND, self.name), (STATUS, self.status), (OWNER, self.owner), (SECTION, self.slug)):
            text = text.replace(place, name)
        return text

    def fill(self, value: T) -> T:
        """The same with the names in their places, in each text that it holds; `evidence` is a mapping, and stays as it was seen."""
        filled: Any = value
        if isinstance(value, str):
            filled = self.name_in(value)
        elif isinstance(value, tuple):
            filled = tuple(map(self.fill, value))
        elif is_dataclass(value) and not isinstance(value, type):
            filled = replace(value, **{each.name: self.fill(getattr(value, each.name)) for each in fields(value)})
        return cast("T", filled)


TRACELOOP = BackendTraits(
    slug="traceloop",
    name="Traceloop",
    status="https://status.traceloop.com",
    owner="Traceloop",
    keeps_resource=True,
    has_environments=True,
    by_id_documented=False,
    values_become_text=True,
    keys="Settings → API keys (https://app.traceloop.com/settings/api-keys), choose the project and environment of your "
    "gateway's traces, and put their key",
    read_route="/v2/warehouse/spans",
    if_not_shown="Traceloop's status, and whether the plan's spans are used up (Free: 50,000 a month, kept for 24 h)",
    free_spans=50_000,  # https://www.traceloop.com/pricing
)

PHOENIX = BackendTraits(
    slug="phoenix",
    name="Phoenix",
    status="Phoenix's log",
    owner="whoever runs Phoenix",
    keeps_resource=False,
    has_environments=False,
    values_become_text=False,
    keys="Settings → API Keys, create a system key, and put it",
    read_route="/v1/projects/…/spans",
    if_not_shown="Phoenix's log, whether its database takes spans, and the project that the spans are stored in",
    by_id_documented=True,  # https://arize.com/docs/phoenix/sdk-api-reference/rest-api/api-reference/spans/list-spans
)
