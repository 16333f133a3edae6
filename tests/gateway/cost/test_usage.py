"""The shape of what was metered."""

from datetime import date

from gateway.cost.usage import OldMessages, Traffic, Usage


def test_nothing_is_metered_unless_said() -> None:
    """A day without traffic or messages is all zeros, none of it calculated."""
    usage = Usage(date(2008, 1, 1), 1, None, None)
    assert usage.traffic == Traffic(0, 0, 0, 0, 0, 0)
    assert usage.sms == OldMessages(0, 0, 0, 0, 0, 0, 0)
    assert usage.idle_bytes == 0
