"""What people, Prometheus and scripts see over HTTP: a page, metrics, health, runbooks, and a small API.

It decides nothing and remembers nothing: what it shows it asks for at each request, what it changes it hands on.
"""
