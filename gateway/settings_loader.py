"""Settings from a TOML file and environment variables, checked before anything starts.

A setting `port` in the section `[tcp]` is also the environment variable `GATEWAY_TCP__PORT`, which
wins over the file.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.cost.old_texts import OldTexts, TemplateError
from gateway.cost.tariff import TariffError
from gateway.price_lists import find_tariff, load_tariffs
from gateway.settings import CostSettings, Settings

ENVIRONMENT_PREFIX: Final = "GATEWAY_"
SECTION_MARK: Final = "__"
FILE_VARIABLE: Final = "GATEWAY_SETTINGS"
"""Names the file; the one variable with the prefix that is no setting."""

EXPRESS_WRITERS: Final = 2
"""Writers for what may not wait: emergencies have one, and single reports in a crowd."""

MAX_BUDGET: Final = 1_000_000_000
"""A month's budget in whole units of a currency: more does not fit into its column."""


class SettingsError(Exception):
    """A setting is unknown, malformed or out of range; the message names it and its origin."""


def load_settings(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the file, if there is one, put the environment over it, and check everything.

    Raises:
        SettingsError: naming the setting, the value's fault and the file or variable it came from.
    """
    values = _read_file(path) if path else {}
    sources: dict[str, str] = {}
    for variable, value in environment.items():
        if variable.startswith(ENVIRONMENT_PREFIX) and variable != FILE_VARIABLE:
            _put(values, variable, value, sources)
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(str(error), path, sources)) from None
    _check(settings, path, sources)
    return settings


def _check(settings: Settings, path: Path | None, sources: Mapping[str, str]) -> None:
    """What is wrong only in connection with other settings, or needs more than a type to say."""
    if not (settings.tcp.enabled or settings.mqtt.enabled):
        raise SettingsError("tcp.enabled and mqtt.enabled are both false: nothing to listen to")
    if settings.database.max_connections <= settings.batch.writers + EXPRESS_WRITERS:
        raise SettingsError(
            "database.max_connections must be more than batch.writers and two:"
            " what may not wait has two writers of its own, and greetings need a connection too"
        )
    for name in ("device_budget", "total_budget"):
        budget = getattr(settings.cost, name)
        if budget is not None and not (
            budget.is_finite() and 0 < budget <= MAX_BUDGET and budget == round(budget, 2)
        ):
            what = f"must be above 0 and at most {MAX_BUDGET:,}, in whole cents"
            raise SettingsError(_blame(f"cost.{name}", path, sources, what))
    for many in ("reports", "tracks"):
        after = getattr(settings.archive, f"{many}_after_days")
        drop_after = getattr(settings.archive, f"drop_{many}_after_days")
        if drop_after and drop_after <= after:
            what = f"must be more than archive.{many}_after_days, {after}: only months of the"
            what += " archive are dropped"
            raise SettingsError(_blame(f"archive.drop_{many}_after_days", path, sources, what))
    try:
        settings.cost.played_period()
    except ValueError as error:
        raise SettingsError(_blame("cost.played_as", path, sources, str(error))) from None
    _check_tariff(settings.cost, path, sources)
    try:
        OldTexts(settings.meter.templates())
    except TemplateError as error:
        raise SettingsError(_blame(f"meter.sms_{error.role}", path, sources, error.fault)) from None
    if not _DSN.fullmatch(settings.database.dsn):
        # The value is not told: it may hold a password.
        what = "must look like postgresql://user:password@host:5432/database"
        raise SettingsError(_blame("database.dsn", path, sources, what))


def _check_tariff(cost: CostSettings, path: Path | None, sources: Mapping[str, str]) -> None:
    try:
        load_tariffs(cost.tariffs)
    except TariffError as error:
        raise SettingsError(_blame("cost.tariffs", path, sources, str(error))) from None
    try:
        is_sms = find_tariff(cost.tariff, cost.tariffs).data is None
    except TariffError as error:
        raise SettingsError(_blame("cost.tariff", path, sources, str(error))) from None
    if is_sms:
        what = f"{cost.tariff} is for SMS; budgets are calculated with a tariff for data"
        raise SettingsError(_blame("cost.tariff", path, sources, what))


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"settings file {path}: {error.strerror}") from None
    except ValueError as error:  # malformed, not UTF-8, or a number of thousands of digits
        raise SettingsError(f"settings file {path} is not valid TOML: {error}") from None
    except RecursionError:
        raise SettingsError(f"settings file {path} is not valid TOML: nested too deeply") from None


def _put(values: dict[str, Any], variable: str, value: str, sources: dict[str, str]) -> None:
    *sections, name = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split(SECTION_MARK)
    target = values
    for section in sections:
        inner = target.setdefault(section, {})
        if not isinstance(inner, dict):
            raise SettingsError(f"{variable}: {section} is no section")
        target = inner
    _require_text(variable, variable)
    _require_text(variable, value)
    target[name] = value
    sources[".".join((*sections, name))] = variable


def _require_text(variable: str, text: str) -> None:
    """Bytes of the environment that are no UTF-8 come as halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise SettingsError(f"environment variable {variable!a}: it is not UTF-8") from None


_HOST = r"[^/@?#:,\[\]]*|\[[^/\]]*\]"
_HOST_AND_PORT = rf"(?:{_HOST})(?::\d*)?"
_DSN = re.compile(
    rf"postgres(?:ql)?://(?:[^/?#]*@)?{_HOST_AND_PORT}(?:,{_HOST_AND_PORT})*(?:/[^?#]*)?(?:\?[^#]*)?"
)
_MESSAGE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<where>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")


def _explain(message: str, path: Path | None, sources: Mapping[str, str]) -> str:
    """The message of msgspec with the setting's name first and where its value came from."""
    match = _MESSAGE.match(message)
    what, where = (match["what"], match["where"] or "") if match else (message, "")
    unknown = _UNKNOWN.search(what)
    if unknown:
        where = ".".join(filter(None, (where, unknown["name"])))
        what = "there is no such setting"
    return _blame(where, path, sources, what)


def _blame(where: str, path: Path | None, sources: Mapping[str, str], what: str) -> str:
    """Setting, origin, fault. A section is to blame on the variable that wrote into it."""
    origin = sources.get(where) or next(
        (variable for name, variable in sources.items() if name.startswith(f"{where}.")), None
    )
    source = f"environment variable {origin}" if origin else f"file {path}" if path else "defaults"
    return f"setting {where or '(whole file)'} ({source}): {what}"
