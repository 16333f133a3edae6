"""The dashboards of Grafana, in short; `scripts/make_dashboards.py` writes their JSON."""
