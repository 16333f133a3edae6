"""One frame or more of each message, written by hand from the layout, with a comment per field.

They keep a mistake that encoder and decoder share from cancelling itself out.
"""

from typing import Any, Final

import msgpack
import msgspec

from gateway.protocol.messages import (
    Ack,
    Challenge,
    Goodbye,
    Hello,
    Message,
    Ping,
    Pong,
    Refusal,
    Welcome,
    WireBacklog,
    WireReport,
    WireTrack,
)
from tests.helpers.golden_task_frames import TASK_FRAMES

NONCE: Final = bytes(range(12))
PROOF: Final = bytes(range(0xA0, 0xB0))

GOLDEN: Final[list[tuple[str, str, Message, list[Any]]]] = [
    (
        "challenge",
        """
        93                                        # array of 3
        00                                        # tag: challenge
        01                                        # protocol version
        c4 0c  00 01 02 03 04 05 06 07 08 09 0a 0b  # nonce: 12 bytes
        """,
        Challenge(1, NONCE),
        [0, 1, NONCE],
    ),
    (
        "hello",
        """
        97                                        # array of 7: the edition is 1, so left out
        01                                        # tag: hello
        01                                        # protocol version
        cf 00 03 0f 49 cc 7c c4 cb                # device 861,234,567,890,123
        ce 49 96 02 d2                            # installation 1,234,567,890
        ce 00 01 11 70                            # settled through 70,000
        c4 0c  00 01 02 03 04 05 06 07 08 09 0a 0b  # nonce
        c4 10  a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 aa ab ac ad ae af  # proof: 16 bytes
        """,
        Hello(1, 861_234_567_890_123, 1_234_567_890, 70_000, NONCE, PROOF),
        [1, 1, 861_234_567_890_123, 1_234_567_890, 70_000, NONCE, PROOF],
    ),
    (
        "hello over MQTT, edition 2",
        """
        98                                        # array of 8
        01 01                                     # tag, version
        05                                        # device 5
        00                                        # installation 0
        00                                        # nothing settled
        c4 0c  00 01 02 03 04 05 06 07 08 09 0a 0b  # nonce
        c4 00                                     # no proof: the broker has checked
        02                                        # edition 2
        """,
        Hello(1, 5, 0, 0, NONCE, b"", 2),
        [1, 1, 5, 0, 0, NONCE, b"", 2],
    ),
    (
        "welcome",
        """
        98                                        # array of 8: nothing refused
        02 01                                     # tag, version
        c4 10  a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 aa ab ac ad ae af  # the gateway's proof
        ce 47 e2 19 80                            # server time 1,206,000,000
        ce 00 01 11 70                            # settled through 70,000
        cd 01 0e                                  # heartbeat 270 s
        cd 04 00                                  # window 1,024 reports
        01                                        # edition 1
        """,
        Welcome(1, PROOF, 1_206_000_000, 70_000, 270, 1_024, 1),
        [2, 1, PROOF, 1_206_000_000, 70_000, 270, 1_024, 1],
    ),
    (
        "welcome with refusals",
        """
        99                                        # array of 9
        02 01                                     # tag, version
        c4 00                                     # over MQTT: no proof
        00                                        # server time 0
        2a                                        # settled through 42
        00 00 01                                  # heartbeat, window, edition
        92                                        # two were refused:
        92 2b 29                                  #   43, unknown class (41)
        92 cd 01 00 30                            #   256, sequence conflict (48)
        """,
        Welcome(1, b"", 0, 42, 0, 0, 1, [(43, 41), (256, 48)]),
        [2, 1, b"", 0, 42, 0, 0, 1, [[43, 41], [256, 48]]],
    ),
    (
        "ordinary report, UTF-8",
        """
        9c                                        # array of 12: no component
        03                                        # tag: report
        01                                        # edition 1
        cd 03 e8                                  # sequence 1,000
        ce 47 e2 19 80                            # observed at 1,206,000,000
        cc cb                                     # class 203
        19                                        # event (1), simple (8), special patrol (16)
        ce 00 04 94 45                            # grid 300,101: 14 digits less the district's six
        cd 02 58                                  # 600 units north of the origin
        d1 f2 86                                  # 3,450 units west
        0c                                        # accuracy 12 m
        02                                        # 2 pictures
        a3 61 62 63                               # "abc"
        """,
        WireReport(1, 1_000, 1_206_000_000, 203, 0x19, 300_101, 600, -3_450, 12, 2, "abc"),
        [3, 1, 1_000, 1_206_000_000, 203, 0x19, 300_101, 600, -3_450, 12, 2, "abc"],
    ),
    (
        "report without text",
        """
        9b                                        # array of 11: neither text nor component
        03 01                                     # tag, edition
        01                                        # sequence 1
        ce ff ff ff ff                            # the last second of 32 bits
        cd 03 e7                                  # class 999
        04                                        # component (0), emergency (2 in bits 1-2)
        00                                        # grid 0
        20                                        # 32 units north
        e0                                        # 32 units west
        cd ff ff                                  # accuracy 65,535 m: no fix
        09                                        # 9 pictures
        """,
        WireReport(1, 1, 2**32 - 1, 999, 4, 0, 32, -32, 65_535, 9),
        [3, 1, 1, 2**32 - 1, 999, 4, 0, 32, -32, 65_535, 9],
    ),
    (
        "emergency report of a component, GB18030",
        """
        9d                                        # array of 13
        03 01                                     # tag, edition
        ce 7f ff ff ff                            # the largest sequence number
        ce 47 e2 19 80                            # observed at
        65                                        # class 101
        24                                        # component, emergency (4), hotline (2 << 4)
        ce 00 04 94 45                            # grid
        00 00                                     # at the origin
        00 00                                     # accuracy, pictures
        d6 02  be ae b8 c7                        # extension of 4 bytes, type 2: 井盖
        cd 30 39                                  # component 12,345 of its class
        """,
        WireReport(
            1,
            2**31 - 1,
            1_206_000_000,
            101,
            0x24,
            300_101,
            0,
            0,
            0,
            0,
            msgspec.msgpack.Ext(2, b"\xbe\xae\xb8\xc7"),
            12_345,
        ),
        [
            *(3, 1, 2**31 - 1, 1_206_000_000, 101, 0x24, 300_101, 0, 0, 0, 0),
            msgpack.ExtType(2, b"\xbe\xae\xb8\xc7"),
            12_345,
        ],
    ),
    (
        "report with deflated text",
        """
        9c 03 01 01                               # array of 12, tag, edition, sequence 1
        00 01 01 00 00 00 00 00                   # eight fields up to the pictures
        c4 09  01 04 00 fb ff be ae b8 c7         # bin of 9: one stored deflate block of 4 bytes
        """,
        WireReport(1, 1, 0, 1, 1, 0, 0, 0, 0, 0, bytes.fromhex("010400fbffbeaeb8c7")),
        [3, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, bytes.fromhex("010400fbffbeaeb8c7")],
    ),
    (
        "backlog",
        """
        9c                                        # array of 12: no components
        04                                        # tag: backlog
        01                                        # edition 1
        cd 01 00                                  # first sequence 256: 256, 257 and 258
        93 ce 47 e2 19 80 3c ff                   # times: the first, 60 s later, 1 s earlier
        93 cc cb cc cb 65                         # classes 203, 203, 101
        93 01 09 00                               # traits: event, simple event, component
        93 ce 00 04 94 45 00 01                   # grids: the first, the same, the next
        93 cd 02 58 07 f9                         # north: 600, +7, -7
        93 d1 f2 86 fb 05                         # east: -3,450, -5, +5
        93 0c 0c cc 80                            # accuracies 12, 12, 128
        93 00 02 00                               # pictures
        a4 61 0a 0a 62                            # texts "a", "" and "b"
        """,
        WireBacklog(
            1,
            256,
            [1_206_000_000, 60, -1],
            [203, 203, 101],
            [1, 9, 0],
            [300_101, 0, 1],
            [600, 7, -7],
            [-3_450, -5, 5],
            [12, 12, 128],
            [0, 2, 0],
            "a\n\nb",
        ),
        [
            *(4, 1, 256, [1_206_000_000, 60, -1], [203, 203, 101], [1, 9, 0]),
            *([300_101, 0, 1], [600, 7, -7], [-3_450, -5, 5], [12, 12, 128], [0, 2, 0]),
            "a\n\nb",
        ],
    ),
    (
        "backlog with a component",
        """
        9d                                        # array of 13
        04 01 05                                  # tag, edition, first sequence 5
        92 00 00  92 65 66  92 00 00              # times, classes, traits
        92 00 00  92 00 00  92 00 00              # grids, north, east
        92 00 00  92 00 00                        # accuracies, pictures
        a1 0a                                     # two empty texts
        92 c0 07                                  # components: none, 7
        """,
        WireBacklog(
            *(1, 5, [0, 0], [101, 102], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0]),
            texts="\n",
            components=[None, 7],
        ),
        [
            *(4, 1, 5, [0, 0], [101, 102], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0]),
            *("\n", [None, 7]),
        ],
    ),
    (
        "ack",
        """
        92                                        # array of 2
        05                                        # tag: ack
        cd 03 e8                                  # all through 1,000
        """,
        Ack(1_000),
        [5, 1_000],
    ),
    (
        "ack with ranges",
        """
        93                                        # array of 3
        05                                        # tag: ack
        cd 03 e8                                  # all through 1,000
        94  02 03  cc c8 01                       # 1,002 to 1,004, and 1,200
        """,
        Ack(1_000, [2, 3, 200, 1]),
        [5, 1_000, [2, 3, 200, 1]],
    ),
    (
        "refusal of the session",
        """
        93                                        # array of 3: no sequence, no count, no wait
        06                                        # tag: refusal
        01                                        # unsupported version
        01                                        # send it again later
        """,
        Refusal(1, 1),
        [6, 1, 1],
    ),
    (
        "refusal of one report",
        """
        94 06                                     # array of 4, tag
        29                                        # unknown class (41)
        00                                        # never send it again
        cd 03 e8                                  # sequence 1,000
        """,
        Refusal(41, 0, 1_000),
        [6, 41, 0, 1_000],
    ),
    (
        "refusal of a backlog for lack of room",
        """
        96 06                                     # array of 6, tag
        3c                                        # busy (60)
        01                                        # later
        cd 03 e8                                  # from 1,000
        64                                        # 100 reports
        1e                                        # in 30 s
        """,
        Refusal(60, 1, 1_000, 100, 30),
        [6, 60, 1, 1_000, 100, 30],
    ),
    (
        "track",
        """
        97                                        # array of 7
        07                                        # tag: track
        01                                        # edition 1
        0a                                        # sequence 10
        92 ce 47 e2 19 80 78                      # times: the first, 120 s later
        92 cd 02 58 d0 d8                         # north: 600, -40
        92 00 28                                  # east: 0, +40
        92 0c cd ff ff                            # accuracies 12 and 65,535
        """,
        WireTrack(1, 10, [1_206_000_000, 120], [600, -40], [0, 40], [12, 65_535]),
        [7, 1, 10, [1_206_000_000, 120], [600, -40], [0, 40], [12, 65_535]],
    ),
    ("ping", "91 08  # array of 1, tag", Ping(), [8]),
    ("pong", "91 09  # array of 1, tag", Pong(), [9]),
    ("goodbye", "92 0a 02  # array of 2, tag, idle", Goodbye(2), [10, 2]),
    (
        "goodbye, come again",
        "93 0a 01 cd 01 2c  # array of 3, tag, shutting down, 300 s",
        Goodbye(1, 300),
        [10, 1, 300],
    ),
    *TASK_FRAMES,
]
"""Name, bytes by hand, message, and the same as plain values for an independent encoder."""
