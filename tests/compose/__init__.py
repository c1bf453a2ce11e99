"""The Compose stack, run by `make compose-test`."""
