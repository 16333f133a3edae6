"""The texts that the old system would have sent by SMS for the same work."""

import msgspec

from gateway.protocol.report import Report


class TemplateError(Exception):
    """A template is malformed or names an unknown field; the message says which there are."""


class Templates(msgspec.Struct, frozen=True, kw_only=True):
    """Texts with fields in braces."""

    report: str
    confirmation: str
    task: str
    answer: str


class Segments(msgspec.Struct, frozen=True):
    """Short messages for one report."""

    report: int
    confirmation: int


class OldTexts:
    """Fills the templates and counts their segments. Raises `TemplateError` when made of wrong
    ones.
    """

    def __init__(self, templates: Templates) -> None:
        raise NotImplementedError

    def of_report(self, report: Report) -> Segments:
        """Segments of a report, and of the confirmation back."""
        raise NotImplementedError

    def of_task(self, number: int, kind: str, text: str, case_number: str) -> int:
        """Segments of a task sent to a handset. `kind`: verify, check or notice."""
        raise NotImplementedError

    def of_answer(self, number: int, answer: str, text: str) -> int:
        """Segments of an inspector's answer. `answer`: as in the database."""
        raise NotImplementedError
