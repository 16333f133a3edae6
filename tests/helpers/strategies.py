"""Hypothesis strategies for messages and full values, over their whole ranges."""

from typing import Final

import msgpack
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from gateway.protocol import limits
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
from gateway.protocol.report import Report
from gateway.protocol.tables import Edition
from gateway.protocol.task_messages import (
    Task,
    TaskAnswer,
    TaskNoted,
    TaskReceipt,
    TaskWithdrawal,
)

UNHURRIED: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault of the code under test."""

INT_64: Final = st.integers(-(2**63), 2**64 - 1)
"""All that msgpack can hold."""

sequences: Final = st.integers(1, limits.MAX_SEQUENCE)
editions: Final = st.integers(1, limits.MAX_EDITION)
_through: Final = st.integers(0, limits.MAX_SEQUENCE)
_nonces: Final = st.binary(min_size=12, max_size=12)
_proofs: Final = st.binary(max_size=16)
_times: Final = st.integers(0, limits.MAX_TIME)
_offsets: Final = st.integers(-(2**31), 2**31 - 1)
_class_codes: Final = st.integers(1, limits.MAX_CLASS_CODE)
_traits: Final = st.integers(0, 63)
_accuracies: Final = st.integers(0, limits.MAX_ACCURACY_M)
_pictures: Final = st.integers(0, limits.MAX_PICTURES)
_components: Final = st.none() | st.integers(0, limits.MAX_COMPONENT)
_seconds: Final = st.integers(0, 65_535)
_task_numbers: Final = st.integers(1, limits.MAX_TASK)
_texts: Final = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | st.binary(max_size=40)
    | st.builds(msgpack.ExtType, st.just(2), st.binary(max_size=40))
)

descriptions: Final = st.text(
    st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("井盖破损垃圾占道经营"),
    max_size=limits.MAX_DESCRIPTION_CHARACTERS,
)
"""What an inspector may write."""


def _characters(at_least: int, at_most: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=at_least, max_size=at_most)


@st.composite
def _backlogs(draw: st.DrawFn) -> WireBacklog:
    size = draw(st.integers(1, 20))

    def column(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(values, min_size=size, max_size=size))

    return WireBacklog(
        edition=draw(editions),
        first_sequence=draw(sequences),
        times=column(INT_64),
        class_codes=column(_class_codes),
        traits=column(_traits),
        grids=column(INT_64),
        lats=column(INT_64),
        lons=column(INT_64),
        accuracies_m=column(_accuracies),
        pictures=column(_pictures),
        texts=draw(_texts),
        components=draw(st.lists(_components, max_size=size)),
    )


@st.composite
def _tracks(draw: st.DrawFn) -> WireTrack:
    size = draw(st.integers(1, 20))

    def column(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(values, min_size=size, max_size=size))

    return WireTrack(
        edition=draw(editions),
        sequence=draw(sequences),
        times=column(INT_64),
        lats=column(INT_64),
        lons=column(INT_64),
        accuracies_m=column(_accuracies),
    )


BY_TYPE: Final[dict[type[Message], st.SearchStrategy[Message]]] = {
    Challenge: st.builds(Challenge, st.integers(0, 127), _nonces),
    Hello: st.builds(
        Hello,
        st.just(limits.PROTOCOL_VERSION),
        st.integers(1, limits.MAX_DEVICE_ID),
        st.integers(0, limits.MAX_INSTALLATION),
        _through,
        _nonces,
        _proofs,
        editions,
    ),
    Welcome: st.builds(
        Welcome,
        st.integers(0, 127),
        _proofs,
        _times,
        _through,
        _seconds,
        _seconds,
        editions,
        st.lists(st.tuples(sequences, st.integers(0, 99)), max_size=limits.MAX_REFUSED_IN_WELCOME),
    ),
    WireReport: st.builds(
        WireReport,
        editions,
        sequences,
        _times,
        _class_codes,
        _traits,
        st.integers(0, limits.MAX_GRID_IN_DISTRICT),
        _offsets,
        _offsets,
        _accuracies,
        _pictures,
        _texts,
        _components,
    ),
    WireBacklog: _backlogs(),
    Ack: st.builds(Ack, _through, st.lists(INT_64, max_size=20)),
    Refusal: st.builds(Refusal, INT_64, INT_64, _through, st.integers(1, 255), _seconds),
    WireTrack: _tracks(),
    Ping: st.builds(Ping),
    Pong: st.builds(Pong),
    Goodbye: st.builds(Goodbye, INT_64, _seconds),
    Task: st.builds(
        Task,
        _task_numbers,
        INT_64,
        _times,
        _times,
        _texts,
        _characters(0, limits.MAX_CASE_NUMBER_CHARACTERS),
        st.integers(0, limits.MAX_GRID),
        st.none() | st.integers(-9_000_000, 9_000_000),
        st.none() | st.integers(-18_000_000, 18_000_000),
        st.lists(
            _characters(1, limits.MAX_PICTURE_ADDRESS_CHARACTERS),
            max_size=limits.MAX_TASK_PICTURES,
        ),
    ),
    TaskNoted: st.builds(TaskNoted, _task_numbers, st.integers(0, 1)),
    TaskAnswer: st.builds(TaskAnswer, _task_numbers, st.integers(0, 255), _times, _texts),
    TaskReceipt: st.builds(TaskReceipt, _task_numbers, INT_64),
    TaskWithdrawal: st.builds(TaskWithdrawal, _task_numbers, INT_64),
}
messages: Final = st.one_of(*BY_TYPE.values())


@st.composite
def reports(draw: st.DrawFn, edition: Edition) -> Report:
    """Any report that has a form on the wire in this edition, valid or not."""
    class_code = draw(st.integers(1, 10**edition.class_digits - 1))
    in_class = edition.component_base(class_code)
    return Report(
        sequence=draw(sequences),
        edition=edition.number,
        observed_at=draw(_times),
        kind=draw(st.integers(0, 1)),
        class_code=class_code,
        urgency=draw(st.integers(0, 3)),
        simple=draw(st.booleans()),
        patrol=draw(st.integers(0, 3)),
        grid=edition.grid_base + draw(st.integers(0, 10 ** (edition.grid_digits - 6) - 1)),
        lat_e5=draw(st.integers(-9_000_000, 9_000_000)),
        lon_e5=draw(st.integers(-18_000_000, 18_000_000)),
        accuracy_m=draw(_accuracies),
        description=draw(descriptions),
        pictures=draw(_pictures),
        component=draw(
            st.none()
            | st.integers(in_class, in_class + limits.MAX_COMPONENT_SEQUENCE)
            | st.integers(limits.MAX_COMPONENT_SEQUENCE + 1, limits.MAX_COMPONENT)
        ),
    )
