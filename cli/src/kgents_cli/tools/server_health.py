"""How an MCP server has been, as a person reads it."""

from collections.abc import Mapping
from typing import Any

from kgents_cli.tables import counted, day

_STATES = {
    "idle": "idle: it is asked at the next call",
    "unauthorized": "waits for somebody to authorize it (kgents mcp authorize)",
}


def health_lines(health: Mapping[str, Any]) -> dict[str, str]:
    """What is known of a server's health, by labels; empty where there is nothing to say."""
    if not health:
        return {}
    return {
        "state": _state(health),
        "calls": _calls(health),
        "took": _took(health),
        "says": ", MCP ".join(str(health[key]) for key in ("says", "protocol") if health[key]),
        "offers": ", ".join(health["offers"]),
        "process": _process(health),
    }


def _state(health: Mapping[str, Any]) -> str:
    state = str(health["state"])
    if state == "connected":
        return f"connected, {counted(health['sessions'], 'session')}, {counted(health['in_flight'], 'call')} under way"
    if state == "away" and health["next_try_in_s"]:
        return f"away; it is tried again in {health['next_try_in_s']:.1f} s"
    return _STATES.get(state, state)


def _calls(health: Mapping[str, Any]) -> str:
    made = f"{health['calls']}, {health['failures']} failed"
    if health["last_failure"]:
        made += f"; the last at {day(health['last_failed_at'])}: {health['last_failure']}"
    return made


def _took(health: Mapping[str, Any]) -> str:
    if health["latency_ms_p50"] is None:
        return ""
    return f"{health['latency_ms_p50']:.0f} ms in the middle, {health['latency_ms_max']:.0f} ms at most"


def _process(health: Mapping[str, Any]) -> str:
    if not health["starts"]:
        return ""
    ended = f"; the last one: {health['last_end']}" if health["last_end"] else ""
    return f"started {counted(health['starts'], 'time')}{ended}"
