"""The wire protocol: pure, one core for both roles, no I/O, no clock, no log.

Read in this order: `limits`, `report`, `messages`, `framing`, `state`, `connection`.
The full text for those who write a handset is `docs/protocol.md`.
"""
