"""TrueFoundry in the sandbox: control plane, gateway, own trace store, exporter."""
