"""The dashboards of Grafana as short definitions; `scripts/make_dashboards.py` writes their JSON."""
