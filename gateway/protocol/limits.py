"""Every number of the wire protocol that both sides must know, with its unit and its reason."""

from typing import Final

PROTOCOL_VERSION: Final = 1
"""Version in the greeting. It changes only when an old peer would misread a frame."""

MAX_FRAME_BYTES: Final = 16_383
"""Largest body: the largest length that two LEB128 bytes can hold. On a 15 kbit/s GPRS uplink it
takes 9 seconds to send, so nothing that waits behind it waits longer."""

MAX_SEQUENCE: Final = 2**31 - 1
"""Largest sequence number: PostgreSQL's signed integer. At 1,000 reports a day it lasts 5,800
years; a handset that reaches it begins a new installation."""

MAX_INSTALLATION: Final = 2**31 - 1
"""Largest installation number, drawn at random when a handset is set up or wiped."""

MAX_DEVICE_ID: Final = 2**53 - 1
"""Largest device number: a 15-digit IMEI fits, and every language's number type holds it."""

NONCE_BYTES: Final = 12
"""A random challenge. 96 bits do not repeat within the life of a secret."""

PROOF_BYTES: Final = 16
"""A proof or key, cut to 128 bits: beyond guessing, at half the bytes of a whole SHA-256."""

MIN_SECRET_BYTES: Final = 16
"""Shortest secret of a device. It is random, so it needs no slow hash."""

MAX_EDITION: Final = 127
"""Largest edition number of the code tables: one byte in msgpack."""

MAX_BACKLOG_REPORTS: Final = 255
"""Most reports in one backlog. At some 35 bytes each it fills about half of the largest frame."""

MAX_TRACK_POINTS: Final = 255
"""Most positions in one track: an 8-hour shift at one every 2 minutes."""

MAX_CLASS_CODE: Final = 99_999
"""Largest class code: five digits, as the 2026 edition of the tables has them."""

MAX_PICTURES: Final = 9
"""Most pictures that one report may announce."""

MAX_DESCRIPTION_CHARACTERS: Final = 500
"""Longest description, in Unicode characters: what the handset's form takes."""

MAX_ACCURACY_M: Final = 65_535
"""Largest stated accuracy of a position, in metres; a handset without a fix says this."""

MAX_GRID_IN_DISTRICT: Final = 999_999_999
"""Largest unit grid without its six district digits: nine digits in a 15-digit edition."""

MAX_COMPONENT_SEQUENCE: Final = 999_999
"""Largest number of a component within its class: six digits in every edition so far."""

MAX_COMPONENT: Final = 10**17 - 1
"""Largest whole component identity: 17 digits in the 2026 edition."""

MAX_TIME: Final = 2**32 - 1
"""Largest Unix time on the wire, in seconds: 32 bits, until the year 2106."""

MIN_OBSERVED_AT: Final = 946_684_800
"""Earliest believable observation, 2000-01-01T00:00:00Z: a handset whose clock was never set
reports 1970 or 1980, and such a time must not be stored as if it were true."""

MAX_CLOCK_AHEAD_SECONDS: Final = 86_400
"""How far a handset's clock may run ahead of the gateway's: a day covers a wrong time zone."""

MAX_TASK: Final = 2**53 - 1
"""Largest number of a task: every language's number type holds it."""

MAX_TASK_CHARACTERS: Final = 500
"""Longest text of a task, in Unicode characters: what a handset's screen shows."""

MAX_CASE_NUMBER_CHARACTERS: Final = 64
"""Longest case number of the workflow services, in Unicode characters; theirs have under 30."""

MAX_GRID: Final = 10**15 - 1
"""Largest whole unit-grid identity: 15 digits."""

MAX_TASK_PICTURES: Final = 9
"""Most pictures of one task, as of a report."""

MAX_PICTURE_ADDRESS_CHARACTERS: Final = 256
"""Longest address of a picture, in Unicode characters. With nine of them and the longest text, all
of the dearest characters, a task takes less than three quarters of the largest frame."""

TASK_RETRY_SECONDS: Final = 60
"""A task that was sent and not noted is sent again after this: as long as a handset waits for a
reply before it takes the link for dead."""

MAX_REFUSED_IN_WELCOME: Final = 32
"""Most refused sequence numbers listed in one welcome; the next greeting lists the next."""

MAX_ACK_RANGES: Final = 64
"""Most ranges in one ack: they stay under 400 bytes. What does not fit goes into another ack."""

HEARTBEAT_SECONDS: Final = 270
"""A handset sends something at least this often: China Mobile drops an idle NAT entry after
about 300 seconds, and then a socket looks open and is dead."""

IDLE_TIMEOUT_SECONDS: Final = 600
"""The gateway gives up a silent session after this: two heartbeats and a minute for a slow link."""

GREETING_TIMEOUT_SECONDS: Final = 30
"""Time from connecting to a complete greeting: ten GPRS round trips at the 99th percentile."""

TLS_HANDSHAKE_TIMEOUT_SECONDS: Final = 30
"""Time from connecting to the end of the TLS handshake, where there is one: as long again as for
the greeting that follows it."""

REPLY_TIMEOUT_SECONDS: Final = 60
"""A handset that waits this long for a welcome, an ack or a pong takes the link for dead."""

WINDOW_REPORTS: Final = 1_024
"""Most reports that a device may have under way, unacked, in one session: four full backlogs."""

MAX_BAD_FRAMES: Final = 16
"""Bad frames that one session may send before it is ended: room for a handset with one faulty
report type to deliver the rest, not for a flood."""
