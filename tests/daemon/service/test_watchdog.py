"""The watchdog is fed while every machine in time is judged or has a published sensor fault."""

from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.service.watchdog import Watchdog

DEADLINE_S = 30.0
FAULTS = ("missing", "stalled", "silent", "ended")
times = st.lists(st.floats(0, 1000), min_size=1, max_size=30).map(sorted)
signs = st.sampled_from(["decided", *FAULTS])
nothing = st.sampled_from(["ok", "starting"])


def see(watchdog: Watchdog, name: str, now_s: float, what: str) -> None:
    """One turn of the worker; `what` is a decision or a sensor state."""
    sensor = what if what in (*FAULTS, "starting") else "ok"
    watchdog.see(name, now_s, decided=what == "decided", sensor=sensor)


@given(times, st.data())
def test_a_machine_is_late_exactly_when_its_last_sign_is_too_old(turns_s: list[float], data: st.DataObject) -> None:
    """A decision and a sensor fault reset the time of a machine; the states `ok` and `starting` do not."""
    watchdog, last_s = Watchdog(), 0.0
    watchdog.watch("pump", DEADLINE_S, last_s)
    for now_s in turns_s:
        what = data.draw(signs | nothing)
        see(watchdog, "pump", now_s, what)
        last_s = last_s if what in ("ok", "starting") else now_s
        silence_s = now_s - last_s
        assert watchdog.find_late(now_s) == ({"pump": silence_s} if silence_s > DEADLINE_S else {})


@given(st.lists(st.floats(0, DEADLINE_S), max_size=50), st.data())
def test_one_that_gives_signs_in_time_is_never_late(gaps_s: list[float], data: st.DataObject) -> None:
    """A machine that is judged in time is never late, for a year or longer."""
    watchdog, now_s = Watchdog(), 0.0
    watchdog.watch("pump", DEADLINE_S + 1e-6, now_s)
    for gap_s in gaps_s:
        now_s += gap_s
        assert watchdog.find_late(now_s) == {}
        see(watchdog, "pump", now_s, data.draw(signs))
        assert watchdog.find_late(now_s) == {}


@given(times, times, st.data())
def test_no_machine_speaks_for_another(pump_s: list[float], fan_s: list[float], data: st.DataObject) -> None:
    """Machines together are late exactly when one of them alone would be."""
    turns = sorted([(now_s, "pump") for now_s in pump_s] + [(now_s, "fan") for now_s in fan_s])
    together, alone = Watchdog(), {"pump": Watchdog(), "fan": Watchdog()}
    for name, watchdog in alone.items():
        together.watch(name, DEADLINE_S, 0.0)
        watchdog.watch(name, DEADLINE_S, 0.0)
    for now_s, name in turns:
        what = data.draw(signs | nothing)
        see(together, name, now_s, what)
        see(alone[name], name, now_s, what)
        assert together.find_late(now_s) == alone["pump"].find_late(now_s) | alone["fan"].find_late(now_s)


def test_a_reload_watches_what_is_new_and_forgets_what_is_gone() -> None:
    """After a reload a replaced machine has its full time again, and a removed one is not watched."""
    watchdog = Watchdog()
    for name in ("pump", "fan", "yard"):
        watchdog.watch(name, DEADLINE_S, 0.0)
    watchdog.watch("fan", 2 * DEADLINE_S, 20.0)
    watchdog.forget("yard")
    assert watchdog.find_late(31.0) == {"pump": 31.0}
    assert watchdog.find_late(81.0) == {"pump": 81.0, "fan": 61.0}
