"""Tests of the text dictionary's files: once shipped, they never change."""

import hashlib
from pathlib import Path

import pytest

from gateway.protocol.text_dictionary import DICTIONARY_1
from scripts import make_text_dictionary
from scripts.make_text_dictionary import (
    MAX_DICTIONARY_BYTES,
    MODULE,
    TEXT_FILE,
    build,
    main,
    render_module,
)

SHA256_OF_DICTIONARY_1 = "4f54d7c2b57db4df500e202e5457bd8efe6b14002e443e60f78ec5745a25b21c"
"""Of its GB18030 bytes. Handsets in the field carry it: if this fails, make dictionary 2."""


def test_the_dictionary_has_not_changed() -> None:
    """Its bytes are those that were shipped."""
    digest = hashlib.sha256(DICTIONARY_1.encode("gb18030")).hexdigest()
    assert digest == SHA256_OF_DICTIONARY_1


def test_the_constant_is_what_the_script_makes() -> None:
    """From the code tables, the streets and the vocabulary."""
    assert build() == DICTIONARY_1
    assert MODULE.read_text(encoding="utf-8") == render_module(DICTIONARY_1)


def test_the_text_file_is_the_constant() -> None:
    """For those who write a client in another language: UTF-8, no final line feed."""
    assert TEXT_FILE.read_bytes() == DICTIONARY_1.encode()


def test_it_fits_the_window() -> None:
    """All of it can be referred to."""
    assert len(DICTIONARY_1.encode("gb18030")) <= MAX_DICTIONARY_BYTES


def test_a_dictionary_that_does_not_fit_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rather than being cut at its most useful end."""
    vocabulary = tmp_path / "vocabulary.txt"
    vocabulary.write_text("网格" * MAX_DICTIONARY_BYTES, encoding="utf-8")
    monkeypatch.setattr(make_text_dictionary, "VOCABULARY", vocabulary)
    with pytest.raises(ValueError, match="over"):
        build()


def test_main_writes_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module and the text file."""
    monkeypatch.setattr(make_text_dictionary, "MODULE", tmp_path / "module.py")
    monkeypatch.setattr(make_text_dictionary, "TEXT_FILE", tmp_path / "text.txt")
    main()
    assert (tmp_path / "module.py").read_bytes() == MODULE.read_bytes()
    assert (tmp_path / "text.txt").read_bytes() == TEXT_FILE.read_bytes()
