"""Fuzzing: hostile bytes for everything that parses.

`make fuzz` runs it, guided by coverage; `tests/fuzz/` replays the corpus. Read in this order:
`targets/__init__` (what is fuzzed), one of the targets, `worker` (one process, one target).
"""
