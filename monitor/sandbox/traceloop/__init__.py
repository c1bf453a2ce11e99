"""Traceloop in the sandbox: ingest and read API."""
