"""Measures what the gateway promises: reports per second, and bytes per report.

`python -m bench --help` says how; `docs/performance.md` holds figures and what bounds them.
"""
