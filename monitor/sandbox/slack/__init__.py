"""Slack in the sandbox: a workspace, its API, and the check of its limits."""
