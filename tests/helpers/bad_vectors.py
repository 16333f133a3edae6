"""What each bad vector must be refused with, written by hand from the document's tables.

Name: code, the numbers named (0: none could be read), and whether the session goes on.
"""

from typing import Final

EXPECTED: Final[dict[str, tuple[int, list[int], bool]]] = {
    # Before the session is ready everything ends it.
    "hello-of-version-2": (1, [0], False),
    "ping-before-greeting": (3, [0], False),
    "unknown-message-before-greeting": (3, [0], False),
    "hello-too-short": (22, [0], False),
    "hello-of-device-0": (22, [0], False),
    # A wrong length ends it at any time.
    "length-zero-before-greeting": (20, [0], False),
    "length-zero": (20, [0], False),
    "length-of-three-bytes-before-greeting": (20, [0], False),
    "length-of-three-bytes": (20, [0], False),
    "length-not-in-fewest-bytes-before-greeting": (20, [0], False),
    "length-not-in-fewest-bytes": (20, [0], False),
    # A bad frame costs itself.
    "unknown-message": (21, [0], True),
    "not-an-array": (22, [0], True),
    "map": (22, [0], True),
    "tag-not-one-byte": (22, [0], True),
    "bytes-after-the-array": (22, [0], True),
    "array-cut-short": (22, [0], True),
    "report-too-short": (22, [42], True),
    "report-with-float": (22, [42], True),
    "report-sequence-zero": (22, [0], True),
    "report-class-too-large": (22, [42], True),
    "report-ten-pictures": (22, [42], True),
    "challenge-from-device": (23, [0], True),
    "second-hello": (23, [0], True),
    "task-noted-without-task": (22, [0], True),
    "task-noted-of-task-0": (22, [0], True),
    "task-noted-of-2": (22, [0], True),
    "task-answer-too-short": (22, [0], True),
    "task-answer-task-too-large": (22, [0], True),
    "task-answer-of-256": (22, [0], True),
    "task-answer-with-float": (22, [0], True),
    "task-answer-time-too-large": (22, [0], True),
    "task-from-device": (23, [0], True),
    "task-receipt-from-device": (23, [0], True),
    "task-withdrawal-from-device": (23, [0], True),
    # Bad content costs the report.
    "unknown-edition": (40, [42], True),
    "unknown-class": (41, [42], True),
    "component-class-as-event": (41, [42], True),
    "unknown-street": (42, [42], True),
    "position-off-the-earth": (43, [42], True),
    "time-before-2000": (44, [42], True),
    "time-too-far-ahead": (44, [42], True),
    "text-with-line-feed": (45, [42], True),
    "text-of-501-characters": (45, [42], True),
    "text-not-deflate": (45, [42], True),
    "text-deflate-cut-short": (45, [42], True),
    "text-of-unknown-ext-type": (45, [42], True),
    "text-bad-gb18030": (45, [42], True),
    "text-is-a-number": (45, [42], True),
    "component-of-13-digits": (46, [42], True),
    "urgency-3": (47, [42], True),
    "patrol-3": (47, [42], True),
    # A backlog: one of three, or all.
    "backlog-with-one-bad": (41, [43], True),
    "backlog-columns-differ": (22, [42, 43, 44], True),
    "backlog-too-few-texts": (45, [42, 43, 44], True),
    "backlog-past-the-last-number": (22, [2**31 - 2, 2**31 - 1], True),
}
