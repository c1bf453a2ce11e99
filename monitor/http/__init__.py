"""HTTP as the adapters see it. httpx is known to `wire` alone; of what the outside can do wrong, nothing gets past here.

`Http.request` gives an `Answer` or raises `Unreachable`. It goes through a `Transport`: `Network`, or `InProcess` for ASGI apps
of this very process.
"""

from monitor.http.answer import Answer, Unread
from monitor.http.client import BODY_LIMIT, OUTCOMES, USER_AGENT, Http, OnAnswer, OnCertificate, OnExchange
from monitor.http.exchange import Exchange, Reply, Request, Stopwatch, Transport
from monitor.http.inprocess import ASGIApp, InProcess
from monitor.http.network import Proxies
from monitor.http.rows import JsonRows
from monitor.http.wire import Network

__all__ = [
    "BODY_LIMIT",
    "OUTCOMES",
    "USER_AGENT",
    "ASGIApp",
    "Answer",
    "Exchange",
    "Http",
    "InProcess",
    "JsonRows",
    "Network",
    "OnAnswer",
    "OnCertificate",
    "OnExchange",
    "Proxies",
    "Reply",
    "Request",
    "Stopwatch",
    "Transport",
    "Unread",
]
