"""Usage by card and month."""

from gateway.cost.cards import ALL_MONTHS, card_months, used, whole_period
from tests.helpers.usages import use


def test_by_card_and_month() -> None:
    """Days of one month come together, those of another and of another card do not."""
    usages = [
        use("2008-01-01", bytes_up=1, bytes_down=2, night_bytes=1, kib=4, night_kib=2),
        use("2008-01-31", bytes_up=10, bytes_down=20, night_bytes=10, kib=40, night_kib=20),
        use("2008-02-01", bytes_up=100),
        use("2008-01-01", device=2, bytes_up=1000),
    ]
    cards = card_months(usages)
    assert [(card.device, card.bytes) for card in cards] == [(1, 33), (1, 100), (2, 1000)]
    first = cards[0]
    assert (first.night_bytes, first.kib, first.night_kib) == (11, 44, 22)
    assert cards[0].month == cards[2].month == cards[1].month - 1


def test_all_months_together() -> None:
    """One for each card."""
    usages = [use("2008-01-01", bytes_up=1), use("2008-02-01", bytes_up=2)]
    (card,) = whole_period(usages)
    assert (card.device, card.month, card.bytes) == (1, ALL_MONTHS, 3)


def test_messages_each_way() -> None:
    """Reports and answers go up, confirmations and tasks down."""
    messages = use(report_segments=1, answer_segments=2, confirmation_segments=4, task_segments=8)
    (card,) = card_months([messages])
    assert (card.segments_up, card.segments_down) == (3, 12)


def test_days_of_a_card() -> None:
    """What went over two transports on one day is one day's."""
    usages = [
        use("2008-01-01", transport="tcp", bytes_up=1, bytes_down=2, night_bytes=3),
        use("2008-01-01", transport="mqtt", bytes_up=10, bytes_down=20),
        use("2008-01-02", bytes_up=5),
    ]
    (card,) = card_months(usages)
    assert list(card.days()) == [(33, 3), (5, 0)]


def test_a_row_of_zeros_is_no_use() -> None:
    """A single byte or a single message is."""
    used_ones = [use(bytes_up=1), use(reports=1)]
    assert used([use(), *used_ones]) == used_ones
