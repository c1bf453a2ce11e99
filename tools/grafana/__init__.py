"""What `tools.grafana_dashboard` is made of. Nothing is red while all is well."""
