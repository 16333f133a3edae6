"""The frames about tasks written by hand; `golden_frames` lists them with all others."""

from typing import Any, Final

import msgpack
import msgspec

from gateway.protocol.messages import Message
from gateway.protocol.task_messages import (
    Task,
    TaskAnswer,
    TaskNoted,
    TaskReceipt,
    TaskWithdrawal,
)

TASK_FRAMES: Final[list[tuple[str, str, Message, list[Any]]]] = [
    (
        "task with everything, GB18030",
        """
        9b                                        # array of 11
        10                                        # tag: task
        cd 03 e9                                  # task 1,001
        00                                        # verify
        ce 47 e2 19 80                            # issued at 1,206,000,000
        ce 47 e3 6b 00                            # expires at 1,206,086,400: a day later
        d6 02  be ae b8 c7                        # extension of 4 bytes, type 2: 井盖
        a4 4c 47 2d 31                            # case "LG-1"
        cf 00 00 28 0b b2 40 27 46                # grid 44,030,700,300,102
        ce 00 22 91 f6                            # 2,265,590: 22.65590 degrees north
        ce 00 ae 2e 64                            # 11,415,140: 114.15140 degrees east
        92  a1 61  a3 e5 9b be                    # pictures "a" and "图"
        """,
        Task(
            1_001,
            0,
            1_206_000_000,
            1_206_086_400,
            msgspec.msgpack.Ext(2, b"\xbe\xae\xb8\xc7"),
            "LG-1",
            44_030_700_300_102,
            2_265_590,
            11_415_140,
            ["a", "图"],
        ),
        [
            *(16, 1_001, 0, 1_206_000_000, 1_206_086_400),
            msgpack.ExtType(2, b"\xbe\xae\xb8\xc7"),
            *("LG-1", 44_030_700_300_102, 2_265_590, 11_415_140, ["a", "图"]),
        ],
    ),
    (
        "notice",
        """
        96                                        # array of 6: all that may be absent is
        10                                        # tag: task
        cf 00 1f ff ff ff ff ff ff                # the largest number, 2^53 - 1
        02                                        # notice
        00                                        # issued in 1970
        ce ff ff ff ff                            # expires in the last second of 32 bits
        a3 61 62 63                               # "abc"
        """,
        Task(2**53 - 1, 2, 0, 2**32 - 1, "abc"),
        [16, 2**53 - 1, 2, 0, 2**32 - 1, "abc"],
    ),
    (
        "task with a picture and no place",
        """
        9b                                        # array of 11
        10 01 01                                  # tag, task 1, check
        00 01                                     # from 0 to 1
        c4 09  01 04 00 fb ff be ae b8 c7         # bin of 9: one stored deflate block of 4 bytes
        a0 00                                     # no case, no grid
        c0 c0                                     # no position
        91 a1 61                                  # one picture, "a"
        """,
        Task(1, 1, 0, 1, bytes.fromhex("010400fbffbeaeb8c7"), pictures=["a"]),
        [16, 1, 1, 0, 1, bytes.fromhex("010400fbffbeaeb8c7"), "", 0, None, None, ["a"]],
    ),
    (
        "task noted",
        "92 11 cd 03 e9  # array of 2: received; tag, task 1,001",
        TaskNoted(1_001),
        [17, 1_001],
    ),
    (
        "withdrawal noted",
        "93 11 cd 03 e9 01  # array of 3, tag, task 1,001, withdrawn",
        TaskNoted(1_001, 1),
        [17, 1_001, 1],
    ),
    (
        "answer",
        """
        95                                        # array of 5
        12                                        # tag: answer
        cd 03 e9                                  # task 1,001
        04                                        # failed
        ce 47 e2 19 80                            # at 1,206,000,000
        d6 02  be ae b8 c7                        # extension of 4 bytes, type 2: 井盖
        """,
        TaskAnswer(1_001, 4, 1_206_000_000, msgspec.msgpack.Ext(2, b"\xbe\xae\xb8\xc7")),
        [18, 1_001, 4, 1_206_000_000, msgpack.ExtType(2, b"\xbe\xae\xb8\xc7")],
    ),
    (
        "answer without text",
        "94 12 01 01 ce 47 e2 19 80  # array of 4, tag, task 1, exists, time",
        TaskAnswer(1, 1, 1_206_000_000),
        [18, 1, 1, 1_206_000_000],
    ),
    (
        "receipt",
        "92 13 cd 03 e9  # array of 2: accepted; tag, task 1,001",
        TaskReceipt(1_001),
        [19, 1_001],
    ),
    (
        "receipt of a late answer",
        "93 13 cd 03 e9 01  # array of 3, tag, task 1,001, late",
        TaskReceipt(1_001, 1),
        [19, 1_001, 1],
    ),
    (
        "withdrawal",
        "92 14 cd 03 e9  # array of 2: cancelled; tag, task 1,001",
        TaskWithdrawal(1_001),
        [20, 1_001],
    ),
    (
        "withdrawal for another",
        "93 14 cd 03 e9 01  # array of 3, tag, task 1,001, superseded",
        TaskWithdrawal(1_001, 1),
        [20, 1_001, 1],
    ),
]
"""Name, bytes by hand, message, and the same as plain values for an independent encoder."""
