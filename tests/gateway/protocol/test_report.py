"""The values of a report keep their order and their numbers."""

from gateway.protocol.report import Kind, Patrol, Report, Track, TrackPoint, Urgency


def test_numbers_of_the_kinds() -> None:
    """These numbers stand on the wire and in the database."""
    assert (Kind.COMPONENT, Kind.EVENT) == (0, 1)
    assert (Urgency.ORDINARY, Urgency.DIFFICULT, Urgency.EMERGENCY) == (0, 1, 2)
    assert (Patrol.ROUTINE, Patrol.SPECIAL, Patrol.HOTLINE) == (0, 1, 2)
    assert (len(Kind), len(Urgency), len(Patrol)) == (2, 3, 3)


def test_fields_of_a_report_stand_in_their_order() -> None:
    """The store writes them by position."""
    assert Report.__struct_fields__ == (
        "sequence",
        "edition",
        "observed_at",
        "kind",
        "class_code",
        "urgency",
        "simple",
        "patrol",
        "grid",
        "lat_e5",
        "lon_e5",
        "accuracy_m",
        "description",
        "pictures",
        "component",
    )


def test_fields_of_a_track_stand_in_their_order() -> None:
    """The same for a track and its points."""
    assert Track.__struct_fields__ == ("sequence", "edition", "points")
    assert TrackPoint.__struct_fields__ == ("observed_at", "lat_e5", "lon_e5", "accuracy_m")
