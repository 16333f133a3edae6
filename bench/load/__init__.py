"""The load generator: a process of its own that writes pre-encoded bytes and reads acks.

Lean on purpose, because it shares two processors with what is measured: no object per report, no
task per device, and of each reply only the cumulative number.
"""
