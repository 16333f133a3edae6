"""Devices: registering, revoking, and how far an installation is settled."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import given

from fuzz.seeds import SEEDS
from fuzz.targets.devices import check
from gateway.devices import (
    DeviceFileError,
    Devices,
    NewDevice,
    Registration,
    read_device_file,
    read_secrets,
)
from gateway.handlers.outcome import Rejected
from gateway.parcel import Parcel, Transport
from gateway.protocol.errors import RefusalCode
from gateway.protocol.limits import MAX_REFUSED_IN_WELCOME
from gateway.protocol.proof import derive_keys
from gateway.store import PostgresStore, open_pool
from gateway.store_errors import StoreUnavailableError
from tests.helpers.builders import build_report, build_track
from tests.helpers.hostile import changed
from tests.helpers.strategies import UNHURRIED

SECRET = bytes(range(16))
KEYS = derive_keys(SECRET)
DEVICE, INSTALLATION = 861, 7
BAD = RefusalCode.UNKNOWN_CLASS


@pytest_asyncio.fixture
async def pool(database_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to a database of the test's own."""
    pool = await open_pool(database_dsn, size=4)
    yield pool
    pool.terminate()


@pytest_asyncio.fixture
async def devices(pool: asyncpg.Pool) -> Devices:
    """With one device registered."""
    devices = Devices(pool)
    assert await devices.add([NewDevice(DEVICE, KEYS, "first")]) == [DEVICE]
    return devices


async def store(
    pool: asyncpg.Pool,
    *sequences: int,
    tracks: tuple[int, ...] = (),
    rejected: tuple[int, ...] = (),
    installation: int = INSTALLATION,
) -> None:
    """Store reports and tracks and fill quarantine under these numbers."""
    parcel = Parcel(
        DEVICE,
        installation,
        Transport.TCP,
        b"frame",
        [build_report(sequence=sequence) for sequence in sequences],
        [build_track(sequence=sequence) for sequence in tracks],
        [Rejected(sequence, BAD, "") for sequence in rejected],
    )
    await PostgresStore(pool, gateway="test").write([parcel])


async def look_up(devices: Devices, claimed: int = 0) -> Registration:
    """The registration of the one device."""
    found = await devices.lookup([(DEVICE, INSTALLATION, claimed)])
    return found[DEVICE, INSTALLATION]


@pytest.mark.asyncio
async def test_an_unknown_device_is_missing(devices: Devices) -> None:
    """Known and unknown devices are asked for together; only the known come back."""
    found = await devices.lookup([(DEVICE, 1, 0), (999, 1, 0), (DEVICE, 2, 0)])
    assert set(found) == {(DEVICE, 1), (DEVICE, 2)}
    registration = found[DEVICE, 1]
    assert (registration.stored_key, registration.gateway_key) == (
        KEYS.stored_key,
        KEYS.gateway_key,
    )
    assert (registration.settled_through, registration.refused) == (0, ())
    assert not registration.revoked


@pytest.mark.asyncio
async def test_nobody_asked(devices: Devices) -> None:
    """An empty look-up is answered with nothing."""
    assert await devices.lookup([]) == {}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "reports,tracks,rejected,settled_through",
    [
        ((), (), (), 0),
        ((1, 2, 3), (), (), 3),
        ((2, 3), (), (), 0),
        ((1, 2, 4, 5), (), (), 2),
        ((1, 3), (2,), (), 3),
        ((1, 4), (2,), (3,), 4),
        ((1, 2), (), (1, 2), 2),
        ((), (), (1,), 1),
    ],
)
async def test_settled_through(
    devices: Devices,
    pool: asyncpg.Pool,
    reports: tuple[int, ...],
    tracks: tuple[int, ...],
    rejected: tuple[int, ...],
    settled_through: int,
) -> None:
    """Reports, tracks and quarantine share one counter; the first gap ends what is settled."""
    await store(pool, *reports, tracks=tracks, rejected=rejected)
    for _ in range(2):  # the second time from what was remembered
        assert (await look_up(devices)).settled_through == settled_through


@pytest.mark.asyncio
async def test_it_goes_on_from_what_is_remembered(devices: Devices, pool: asyncpg.Pool) -> None:
    """What was settled stays settled when its rows are archived, and grows from there."""
    await store(pool, 1, 2, 3)
    assert (await look_up(devices)).settled_through == 3
    await pool.execute("DELETE FROM report")
    assert (await look_up(devices)).settled_through == 3
    await store(pool, 4, 6)
    assert (await look_up(devices)).settled_through == 4


@pytest.mark.asyncio
async def test_installations_are_apart(devices: Devices, pool: asyncpg.Pool) -> None:
    """A wiped handset begins at nothing."""
    await store(pool, 1, 2, installation=INSTALLATION + 1)
    assert (await look_up(devices)).settled_through == 0


@pytest.mark.asyncio
async def test_strangers_fill_no_table(devices: Devices, pool: asyncpg.Pool) -> None:
    """A greeting alone leaves no row: only an admitted device can have stored something."""
    await devices.lookup([(DEVICE, installation, 0) for installation in range(100)])
    assert await pool.fetchval("SELECT count(*) FROM installation") == 0


@pytest.mark.asyncio
async def test_refused_above_the_claimed_number(devices: Devices, pool: asyncpg.Pool) -> None:
    """What is in quarantine above the claim is listed with its code, what came valid later not."""
    await store(pool, 1, rejected=(2, 3, 4))
    await store(pool, 3)
    assert (await look_up(devices)).refused == ((2, BAD), (4, BAD))
    assert (await look_up(devices, claimed=2)).refused == ((4, BAD),)


@pytest.mark.asyncio
async def test_a_conflict_is_listed_although_stored(devices: Devices, pool: asyncpg.Pool) -> None:
    """Where two contents claim a number the handset is told of the conflict."""
    await store(pool, 1)
    parcel = Parcel(DEVICE, INSTALLATION, Transport.TCP, b"", [build_report(description="other")])
    await PostgresStore(pool, gateway="test").write([parcel])
    assert (await look_up(devices)).refused == ((1, RefusalCode.SEQUENCE_CONFLICT),)


@pytest.mark.asyncio
async def test_more_refused_than_can_be_listed(devices: Devices, pool: asyncpg.Pool) -> None:
    """What does not fit the list does not look stored: the number ends before it."""
    most = MAX_REFUSED_IN_WELCOME
    await store(pool, rejected=tuple(range(1, most + 1)))
    registration = await look_up(devices)
    assert (len(registration.refused), registration.settled_through) == (most, most)
    await store(pool, rejected=(most + 1, most + 2))
    registration = await look_up(devices)
    assert (len(registration.refused), registration.settled_through) == (most, most)
    registration = await look_up(devices, claimed=most)
    assert (len(registration.refused), registration.settled_through) == (2, most + 2)


@pytest.mark.asyncio
async def test_the_same_greeting_twice(devices: Devices, pool: asyncpg.Pool) -> None:
    """Two connections of one handset in one look-up are answered once, for the lower claim."""
    await store(pool, 1, rejected=(2,))
    found = await devices.lookup([(DEVICE, INSTALLATION, 2), (DEVICE, INSTALLATION, 0)])
    assert found[DEVICE, INSTALLATION].refused == ((2, BAD),)


@pytest.mark.asyncio
async def test_two_gateways_look_up_at_once(devices: Devices, pool: asyncpg.Pool) -> None:
    """Look-ups of the same devices in opposite order at the same time do not block each other."""
    installations = range(1, 60)
    for installation in installations:
        await store(pool, 1, installation=installation)
    greetings = [(DEVICE, installation, 0) for installation in installations]
    orders = [greetings, greetings[::-1]] * 4
    for found in await asyncio.gather(*(devices.lookup(order) for order in orders)):
        assert {registration.settled_through for registration in found.values()} == {1}


@pytest.mark.asyncio
async def test_known_devices_stay_as_they_are(devices: Devices) -> None:
    """Adding a known number changes nothing and is told."""
    other = derive_keys(bytes(16))
    added = await devices.add([NewDevice(DEVICE, other, "second"), NewDevice(5, other)])
    assert added == [5]
    assert (await look_up(devices)).stored_key == KEYS.stored_key


@pytest.mark.asyncio
async def test_revoke(devices: Devices) -> None:
    """A revoked device is found and marked; the first moment stays."""
    assert await devices.revoke([DEVICE, 999]) == [DEVICE]
    (before,) = await devices.list()
    assert await devices.revoke([DEVICE]) == [DEVICE]
    (after,) = await devices.list()
    assert before.revoked_at == after.revoked_at is not None
    assert (await look_up(devices)).revoked


@pytest.mark.asyncio
async def test_restore(devices: Devices) -> None:
    """A restored device is admitted; restoring one that was never revoked changes nothing."""
    await devices.revoke([DEVICE])
    for _ in range(2):
        assert await devices.restore([DEVICE, 999]) == [DEVICE]
        registration = await look_up(devices)
        assert (registration.revoked, registration.standing) == (False, 2)


@pytest.mark.asyncio
async def test_rotate(devices: Devices) -> None:
    """New keys, another standing; the same keys again change nothing."""
    other = derive_keys(bytes(16))
    for _ in range(2):
        assert await devices.rotate({DEVICE: other}) == []
        registration = await look_up(devices)
        assert (registration.stored_key, registration.gateway_key) == (
            other.stored_key,
            other.gateway_key,
        )
        assert (registration.revoked, registration.standing) == (False, 1)


@pytest.mark.asyncio
async def test_rotate_all_or_none(devices: Devices) -> None:
    """One that is not registered keeps the others as they are."""
    other = derive_keys(bytes(16))
    assert await devices.rotate({9: other, DEVICE: other, 8: other}) == [8, 9]
    assert (await look_up(devices)).stored_key == KEYS.stored_key


@pytest.mark.asyncio
async def test_outdated(devices: Devices, pool: asyncpg.Pool) -> None:
    """Whatever changes who is admitted makes older standings outdated; a label does not. A device
    that is gone has none.
    """
    held = [(DEVICE, 0), (DEVICE, 1), (999, 0)]
    assert await devices.outdated(held) == {(DEVICE, 1), (999, 0)}
    await pool.execute("UPDATE device SET label = 'x', street_code = 440307003")
    assert await devices.outdated([(DEVICE, 0)]) == set()
    await devices.revoke([DEVICE])
    assert await devices.outdated(held) == {(DEVICE, 0), (999, 0)}
    await devices.revoke([DEVICE])
    assert await devices.outdated([(DEVICE, 1)]) == set()


@pytest.mark.asyncio
async def test_whoever_changes_a_device_wakes_the_gateways(
    devices: Devices, database_dsn: str, pool: asyncpg.Pool
) -> None:
    """One notification for a transaction, after its commit; none for a label."""
    await devices.add([NewDevice(number, KEYS) for number in range(1, 10)])
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(database_dsn)
    await listener.add_listener("device", lambda *event: heard.put_nowait(event[2]))
    await listener.add_listener("end", lambda *event: heard.put_nowait(event[2]))
    await pool.execute("UPDATE device SET label = 'x'")
    await pool.execute("UPDATE device SET revoked_at = now()")
    await pool.execute('NOTIFY "end"')
    async with asyncio.timeout(20):
        channels = [await heard.get()]
        while channels[-1] != "end":
            channels.append(await heard.get())
    await listener.close()
    assert channels == ["device", "end"]


@pytest.mark.asyncio
async def test_list(devices: Devices, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """All devices come by number, over several pages, with what is known of their greetings."""
    monkeypatch.setattr("gateway.devices.LIST_PAGE_DEVICES", 2)
    await devices.add([NewDevice(number, KEYS, street_code=440307003) for number in (3, 1, 2, 4)])
    await store(pool, 1)
    await look_up(devices)
    listed = await devices.list()
    assert [device.device_id for device in listed] == [1, 2, 3, 4, DEVICE]
    assert listed[0].street_code == 440307003
    assert (listed[0].last_seen_at, listed[0].installations) == (None, 0)
    assert listed[4].last_seen_at is not None
    assert (listed[4].label, listed[4].installations) == ("first", 1)


@pytest.mark.asyncio
async def test_database_away(database_dsn: str) -> None:
    """Away is said as the store says it; a number that no column holds is the caller's fault."""
    pool = await open_pool(database_dsn, size=1)
    with pytest.raises(asyncpg.DataError):
        await Devices(pool).revoke([2**63])
    await pool.close()
    with pytest.raises(StoreUnavailableError):
        await Devices(pool).list()


def test_read_device_file() -> None:
    """Label and street may be empty or missing; blanks around values do not count."""
    lines = ["device,secret,label,street", f" 1 ,{SECRET.hex()},a,440307003", f"2,{SECRET.hex()},,"]
    assert list(read_device_file(lines)) == [
        NewDevice(1, KEYS, "a", 440307003),
        NewDevice(2, KEYS, "", None),
    ]
    short = ["device,secret", f"2,{SECRET.hex()}"]
    assert list(read_device_file(short)) == [NewDevice(2, KEYS)]


@pytest.mark.parametrize(
    "lines,message",
    [
        (["device,label"], "line 1: no column secret"),
        ([], "line 1: no column device, secret"),
        (["device,secret", "0,00"], "line 2: device must be a number from 1"),
        (["device,secret", f"{2**53},00"], "line 2: device must be a number from 1"),
        (["device,secret", "x,00"], "line 2: device must be a number from 1"),
        (["device,secret", "1,zz"], "line 2: secret must be hexadecimal"),
        (["device,secret", "1,00"], "line 2: "),
        (["device,secret", "1"], "line 2: "),
        (["device,secret,street", f"1,{SECRET.hex()},44"], "line 2: street must be empty or"),
        (["device,secret", *[f"1,{SECRET.hex()}"] * 2], "line 3: device 1 comes twice"),
        (["device,secret,label", f"1,{SECRET.hex()},a\0b"], "line 2: label holds U\\+0000 at 1"),
        (["device,secret", f"{'1' * 5_000},00"], "line 2: "),
        (["device,secret", f"{'1' * 131_073},00"], "line 2: field larger"),
        ([f"device,secret,{'x' * 131_073}"], "line 1: field larger"),
    ],
)
def test_bad_device_file(lines: list[str], message: str) -> None:
    """The line and the fault are named, the secret is not."""
    with pytest.raises(DeviceFileError, match=message) as raised:
        list(read_device_file(lines))
    assert SECRET.hex() not in str(raised.value)


def test_read_secrets() -> None:
    """Numbers and secrets as they are; wrong lines are told as for `read_device_file`."""
    lines = ["device,secret,mqtt_password", f"7,{SECRET.hex()},x"]
    assert list(read_secrets(lines)) == [(7, SECRET)]
    with pytest.raises(DeviceFileError, match="line 3: device 7 comes twice"):
        list(read_secrets([*lines, lines[1]]))


@UNHURRIED
@given(changed(SEEDS["devices"]()))
def test_hostile_bytes(data: bytes) -> None:
    """A file of devices is read whole, or a line of it is named."""
    check(data)
