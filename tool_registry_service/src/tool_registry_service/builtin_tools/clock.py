"""`time`: what time it is somewhere, and what a time there is elsewhere."""

import difflib
import json
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from kgents_shared.contracts.tools import InvokeToolRequest
from tool_registry_service.builtin_tools.builtin import BuiltinDefinition
from tool_registry_service.calls import ToolAnswer

_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,3}")
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")


class _NoSuchZone(ValueError):
    """Not a zone of the IANA database; the text says what may be meant."""


class Clock:
    """Tells the time, now or a given one, in a zone."""

    definition = BuiltinDefinition(
        name="time",
        description=(
            "The current date and time in a time zone; or, with `at`, what a given time is there. "
            "Zones have IANA names such as Europe/Berlin."
        ),
        input_schema={
            "type": "object",
            "properties": {
                "zone": {"type": "string", "maxLength": 100, "default": "UTC", "description": "IANA name of the zone."},
                "at": {
                    "type": "string",
                    "maxLength": 40,
                    "description": "An ISO 8601 date and time, or a time of today like 14:30; instead of now.",
                },
                "at_zone": {
                    "type": "string",
                    "maxLength": 100,
                    "description": "The zone that `at` is in, where it names no offset; `zone` if left out.",
                },
            },
            "additionalProperties": False,
        },
        side_effect="none",
    )

    async def call(self, call: InvokeToolRequest) -> ToolAnswer:
        """The time as JSON."""
        try:
            zone = _zone(call.arguments.get("zone", "UTC"))
            if "at" not in call.arguments:
                return ToolAnswer(_told(datetime.now(zone), zone))
            there = _zone(call.arguments.get("at_zone", zone.key))
            moment = _moment(call.arguments["at"], there)
            note = _skipped(moment)
            return ToolAnswer(_told(moment.astimezone(zone), zone, note))
        except _NoSuchZone as error:
            return ToolAnswer(str(error), is_error=True)
        except (ValueError, OverflowError):
            said = "`at` can't be read: write it like 2026-05-04T14:30, with an offset like +02:00 if you know it."
            return ToolAnswer(said, is_error=True)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(name: str) -> ZoneInfo:
    if _ZONE.fullmatch(name) is None or name not in _zones():
        meant = difflib.get_close_matches(name[:100], sorted(_zones()), n=3)
        hint = f" Is one of these meant: {', '.join(meant)}?" if meant else ""
        raise _NoSuchZone(f"There is no time zone {name[:100]!r}.{hint}")
    return ZoneInfo(name)


def _moment(text: str, zone: ZoneInfo) -> datetime:
    text = text.strip()
    if _TIME_OF_DAY.fullmatch(text):
        hour, minute, second = (*map(int, text.split(":")), 0)[:3]
        return datetime.now(zone).replace(hour=hour, minute=minute, second=second, microsecond=0)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)


def _skipped(moment: datetime) -> str | None:
    """A remark where clocks skip a time, or show it twice."""
    if moment.astimezone(UTC).astimezone(moment.tzinfo).replace(tzinfo=None) != moment.replace(tzinfo=None):
        return "clocks skip this time there"
    if moment.utcoffset() != moment.replace(fold=1).utcoffset():
        return "clocks show this time twice there; the first is meant"
    return None


def _told(moment: datetime, zone: ZoneInfo, note: str | None = None) -> str:
    dst = moment.dst() or timedelta()
    told = {
        "time": moment.isoformat(timespec="seconds"),
        "zone": zone.key,
        "abbreviation": moment.tzname(),
        "weekday": moment.strftime("%A"),
        "daylight_saving": dst != timedelta(),
        "unix": int(moment.timestamp()),
    }
    return json.dumps(told | ({} if note is None else {"note": note}))
