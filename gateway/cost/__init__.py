"""What the traffic costs, and what SMS would have cost. Pure: no I/O, no clock, no log.

`usage` is what was metered, `tariff` a price list, `statement` the two together.
"""
