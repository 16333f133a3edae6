"""Settings: a TOML file and environment variables, which an operator may get wrong."""

import io
from pathlib import Path, PosixPath
from typing import Final

import msgspec

from gateway.settings import Settings
from gateway.settings_loader import SettingsError, load_settings

_MARK: Final = b"\0"
"""Divides an input: the file, then variables as NAME=VALUE. None of them can hold it."""


class _File(PosixPath):
    """A file that lies in memory: a disk would take longer than the parser."""

    content = b""

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """See `Path`."""
        return io.TextIOWrapper(io.BytesIO(self.content), encoding, errors).read()


_FILE: Final = _File("gateway.toml")


def check(data: bytes) -> None:
    """Settings that are read are in their ranges, and say the same when they are told again."""
    toml, *variables = data.split(_MARK)
    _FILE.content = toml
    path: Path | None = _FILE if toml else None
    try:
        settings = load_settings(path, _environment(variables))
    except SettingsError as error:
        assert str(error)
        return
    plain = msgspec.to_builtins(settings)
    assert msgspec.convert(plain, Settings, strict=False) == settings


def _environment(variables: list[bytes]) -> dict[str, str]:
    environment = {}
    for variable in variables:
        name, _, value = variable.decode("utf-8", "surrogateescape").partition("=")
        environment[f"GATEWAY_{name}"] = value
    return environment
