"""Arize Phoenix's read API. It serves its own description at /openapi.json; what it answers was seen on release 20.26.1.

Read with care: a path that Phoenix does not have is answered 200 with its web page, a project that has no span yet with 404, and a
trace that is not there with 200 and an empty list.
"""

from monitor.phoenix.read import PhoenixReader, describe_read

__all__ = ["PhoenixReader", "describe_read"]
