"""The routes of the pages, and of their forms.

A form changes something only with the admin token that is typed into it, which is kept nowhere, and only if it was sent by a page of
this very site (https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html, "Fetch
Metadata headers"). What was typed wrongly is shown again, but for the token.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from monitor.core.incident import Incident
from monitor.core.model import Fault, Instant, TargetName
from monitor.core.silence import Silence, active_until
from monitor.core.state import State
from monitor.ports import Clock
from monitor.web.auth import Guard, is_from_own_page
from monitor.web.page import REFRESH_EVERY, Filter, PageContext, incident_page, runbook_page, status_page, target_page
from monitor.web.payloads import read_body, text_of
from monitor.web.texts import render, runbooks, time_text, until_text
from monitor.web.views import NotFound, Operations, Views, add_silence

_LENGTHS = (
    (3600, "1 hour"),
    (7200, "2 hours"),
    (28_800, "8 hours"),
    (86_400, "1 day"),
    (259_200, "3 days"),
    (604_800, "1 week"),
)
_DONE: Mapping[str, str] = {
    "acknowledged": "Acknowledged: no reminder and no escalation until it gets worse.",
    "silenced": "Silenced.",
    "expired": "The silence has ended.",
}
_GIVEN: Mapping[str, str] = {"by": "", "target": "", "fault": "", "for": "", "comment": "", "author": ""}
_OTHER_SITE = "This form was not sent by a page of this monitor."
_LONGEST_FILTER = 100
_MOST_FIELDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRow:
    """One silence, with when it mutes; one that is `configured` cannot be ended here."""

    silence: Silence
    active: bool
    when: str
    configured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """One handler per page and form."""

    views: Views
    operations: Operations
    clock: Clock
    guard: Guard

    def routes(self) -> list[Route]:
        """Every page; what a form changes is guarded by the form's own token as well."""
        read = self.guard.reading
        return [
            Route("/", read(self._overview)),
            Route("/targets/{name}", read(self._target)),
            Route("/incidents/{id}", read(self._incident)),
            Route("/incidents/{id}/acknowledge", read(self._acknowledge), methods=["POST"]),
            Route("/runbooks/{name}", read(self._runbook)),
            Route("/silences", read(self._silences), methods=["GET", "POST"]),
            Route("/silences/{id}/expire", read(self._expire), methods=["POST"]),
        ]

    # --- to read

    async def _overview(self, request: Request) -> Response:
        views, now, asked = self.views, self.clock.now(), request.query_params
        refreshing = asked.get("refresh") != "off" and not asked.get("q")
        state = views.state()
        # With fifty targets it takes a tenth of a second, which the checks must not wait for.
        page = await asyncio.to_thread(
            status_page,
            views.report(),
            state,
            troubles=views.troubles(),
            version=views.version,
            now=now,
            context=self._context(state, now),
            chosen=Filter(
                text=asked.get("q", "")[:_LONGEST_FILTER].strip(),
                status=asked.get("state", "")[:_LONGEST_FILTER],
                group=asked.get("group", "")[:_LONGEST_FILTER],
            ),
            refreshing=refreshing,
        )
        # As a header, so that whoever does not want it can switch it off (https://www.w3.org/TR/WCAG21/#timing-adjustable).
        return HTMLResponse(page, headers={"refresh": str(REFRESH_EVERY)} if refreshing else {})

    async def _target(self, request: Request) -> Response:
        name, now, state = request.path_params["name"], self.clock.now(), self.views.state()
        report = self.views.report()["targets"].get(name)
        if report is None:
            raise NotFound("there is no target of that name")
        page = target_page(name, report, state, version=self.views.version, now=now, context=self._context(state, now))
        return HTMLResponse(page)

    async def _incident(self, request: Request) -> Response:
        return await self._show_incident(request, done=_DONE.get(request.query_params.get("done", ""), ""))

    async def _runbook(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in runbooks():
            raise HTTPException(404, "there is no runbook of that name")
        return HTMLResponse(runbook_page(name))

    async def _silences(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._add_silence(request)
        asked = request.query_params
        given = {name: asked.get(name, "")[:_LONGEST_FILTER] for name in ("target", "fault")}
        return self._show_silences("", given=given, done=_DONE.get(asked.get("done", ""), ""))

    # --- to change

    async def _acknowledge(self, request: Request) -> Response:
        given, wrong = await self._read_form(request)
        if wrong is None:
            try:
                by = text_of(given, "by").strip() or "the page"
                await self.operations.acknowledge(request.path_params["id"], by)
            except HTTPException as error:
                wrong = error
        if wrong is not None:
            return await self._show_incident(request, given=given, failed=wrong)
        return RedirectResponse(f"../{quote(request.path_params['id'], safe='')}?done=acknowledged", 303)

    async def _add_silence(self, request: Request) -> Response:
        given, wrong = await self._read_form(request)
        if wrong is None:
            try:
                await add_silence(_silence_body(given), self.views, self.operations, self.clock)
            except HTTPException as error:
                wrong = error
        if wrong is not None:
            return self._show_silences("", given=given, failed=wrong)
        return RedirectResponse("silences?done=silenced", 303)

    async def _expire(self, request: Request) -> Response:
        given, wrong = await self._read_form(request)
        if wrong is None:
            try:
                await self.operations.expire_silence(request.path_params["id"])
            except HTTPException as error:
                wrong = error
        if wrong is not None:
            return self._show_silences("../../", given=given, failed=wrong)
        return RedirectResponse("../../silences?done=expired", 303)

    async def _read_form(self, request: Request) -> tuple[dict[str, str], HTTPException | None]:
        """What was typed, without the token; and why it may change nothing, if so."""
        if not is_from_own_page(request, self.views.external_url):
            return {}, HTTPException(403, _OTHER_SITE)
        body = (await read_body(request, self.clock)).decode("utf-8", "replace")
        try:
            fields = {name: values[0] for name, values in parse_qs(body, max_num_fields=_MOST_FIELDS).items()}
        except ValueError:
            raise HTTPException(400, f"the form has more than {_MOST_FIELDS} fields") from None
        token = fields.pop("token", "")
        if not self.guard.can_change:
            return fields, HTTPException(403, "Nothing can be changed here: server.admin_token is not configured.")
        if not self.guard.is_admin(token):
            return fields, HTTPException(403, "This is not the admin token (server.admin_token).")
        return fields, None

    # --- what is shown again

    async def _show_incident(
        self,
        request: Request,
        *,
        given: Mapping[str, str] = _GIVEN,
        done: str = "",
        failed: HTTPException | None = None,
    ) -> Response:
        incident, now, state = self._find_incident(request), self.clock.now(), self.views.state()
        page = incident_page(
            incident,
            self.views.report()["targets"].get(incident.target),
            state,
            notices=await self.views.notices(incident),
            version=self.views.version,
            now=now,
            context=self._context(state, now),
            form={
                "given": {**_GIVEN, **given},
                "done": done,
                "failed": failed.detail if failed else "",
                "lengths": _LENGTHS,
            },
            external_url=self.views.external_url,
            depth=2 if failed is not None else 1,
        )
        return HTMLResponse(page, status_code=failed.status_code if failed is not None else 200)

    def _show_silences(
        self, root: str, *, given: Mapping[str, str], done: str = "", failed: HTTPException | None = None
    ) -> Response:
        state, now = self.views.state(), self.clock.now()
        page = render(
            "silences.html",
            silences=[_silence_row(one, self.views.is_configured(one), now) for one in state.silences],
            targets=sorted(self.views.report()["targets"]),
            faults=list(Fault),
            lengths=_LENGTHS,
            given={**_GIVEN, **given},
            done=done,
            failed=failed.detail if failed is not None else "",
            can_change=self.guard.can_change,
            version=self.views.version,
            now=now,
            root=root,
        )
        return HTMLResponse(page, status_code=failed.status_code if failed is not None else 200)

    def _find_incident(self, request: Request) -> Incident:
        for target in self.views.state().targets.values():
            for incident in target.incidents:
                if incident.id == request.path_params["id"]:
                    return incident
        raise NotFound("there is no incident of that id; the newest fifty of each target are remembered")

    def _context(self, state: State, now: Instant) -> PageContext:
        day = self.views.day
        day.note(state.targets, now)
        dots = {TargetName(name): day.of(name, now) for name in state.targets}
        return PageContext(about=self.views.about(), dots=dots, can_change=self.guard.can_change)


def _silence_body(given: Mapping[str, str]) -> dict[str, Any]:
    """What was typed, as the API wants it."""
    seconds = given.get("for", "")
    return {
        "target": given.get("target", ""),
        "fault": given.get("fault") or None,
        "for": float(seconds) if seconds.isascii() and seconds.isdigit() else seconds,
        "comment": given.get("comment", ""),
        "author": given.get("author", ""),
    }


def _silence_row(silence: Silence, configured: bool, now: Instant) -> SilenceRow:
    end = active_until(silence, now)
    if end is not None:
        when = until_text(end, now)
    elif silence.weekly is not None:
        when = "every week"
    elif silence.begins_at is not None and silence.begins_at > now:
        when = f"from {time_text(silence.begins_at, now)}"
    else:
        when = "over"
    return SilenceRow(silence=silence, active=end is not None, when=when, configured=configured)
