"""Alarm, microphone and proof of a machine in words of one column."""

from datetime import datetime

from aegan_monitor.tools.terminal.plant import Machine, format_day_time

OK = "ok"
DIGEST_CHARACTERS = 8


def describe_alarm(machine: Machine, now: datetime) -> str:
    """At most 21 characters; capitals where the machine has trouble."""
    alarm = machine.alarm
    if machine.is_online is False:
        return "DAEMON OFFLINE"
    if alarm is None:
        return "unknown"
    if alarm.out_of_service:
        return "out of service"
    if alarm.shelved_until is not None:
        return f"shelved until {format_day_time(alarm.shelved_until, now)}"
    if alarm.active:
        began = format_day_time(alarm.since if alarm.case is None else alarm.case.began_at, now)
        return f"acknowledged {began}" if alarm.acknowledged else f"ALARM since {began}"
    return alarm.state if alarm.confirmed else "not judged yet"


def describe_sensor(machine: Machine) -> str:
    """The state of its input."""
    return machine.sensor.state if machine.sensor and machine.is_online is not False else "unknown"


def describe_proof(machine: Machine) -> str:
    """How many false alarms a week its normal sound so far disproves."""
    health = machine.health
    if health is None or health.designed_per_week is None:
        return "no budget" if health else "unknown"
    return "unproved" if health.proved_per_week is None else f"under {health.proved_per_week:.2g} a week"


def describe_bundle(machine: Machine, *, dated: bool) -> str:
    """The first characters of its bundle's digest and, if `dated`, the day of its export."""
    health = machine.health
    if health is None or not health.bundle_digest:
        return "unknown"
    day = f" {health.bundle_created:%Y-%m-%d}" if dated and health.bundle_created else ""
    return health.bundle_digest[:DIGEST_CHARACTERS] + day


def find_trouble(machine: Machine) -> str:
    """The trouble of a machine: it is in alarm, its sensor has a fault, or its state is unknown. Empty without trouble."""
    alarm, sensor = machine.alarm, machine.sensor
    if machine.is_online is False:
        return "its daemon is offline"
    if alarm is not None and alarm.out_of_service:
        return ""
    troubles = []
    if alarm is None:
        troubles.append("nothing is known of its alarm")
    elif alarm.active:
        troubles.append((alarm.case.cause if alarm.case else "") or "in alarm")
    if sensor is None:
        troubles.append("nothing is known of its microphone")
    elif sensor.state != OK:
        troubles.append(f"sensor {sensor.state}: {sensor.detail}".removesuffix(": "))
    return "; ".join(troubles)
