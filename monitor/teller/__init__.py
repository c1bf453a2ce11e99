"""Bring each notifier up to date: compare what it was told with what is true, tell the difference, remember the receipt.

One worker per notifier, so that a slow one delays nobody. A notice is committed before it is sent and its receipt after, so
a death in between costs at most one duplicate, never a silence.
"""

from monitor.teller.desk import NotifierHealth, Route
from monitor.teller.teller import Teller

__all__ = ["NotifierHealth", "Route", "Teller"]
