"""Put together what one target needs: adapters, checks, witness. A new check is one line in `_checks`."""
