"""Replays hours of recordings through a machine's own line, and counts its alarms."""

import math
import os
from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from aegan_monitor.alarm.judge import Judge, Outcome
from aegan_monitor.alarm.lifecycle import IN_ALARM
from aegan_monitor.config.model import find_machine, load_config
from aegan_monitor.decision.budget import Budget
from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.detection.bundle import load_bundle
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.errors import EXIT_FAILED, AeganError, CaptureError, UsageError
from aegan_monitor.files import show_path
from aegan_monitor.inference.choice import open_wanted
from aegan_monitor.messages.model import AlarmState
from aegan_monitor.service.build import share
from aegan_monitor.service.runtime import choose_score
from aegan_monitor.tools.backtest.labels import Label, read_labels
from aegan_monitor.tools.backtest.picture import draw
from aegan_monitor.tools.backtest.result import Alarm, Course, Fault, Result, judge_alarms, measure_normal
from aegan_monitor.tools.daemon_state import read_prepared
from aegan_monitor.tools.joined_recordings import JoinedRecordings
from aegan_monitor.tools.progress import Progress
from aegan_monitor.tools.recorded_stream import RecordedStream
from aegan_monitor.tools.report_files import make_folder, write_report

SUFFIXES = frozenset({".wav", ".flac", ".rf64", ".w64"})
Report = Callable[[str], object]


def find_recordings(paths: Iterable[Path]) -> list[Path]:
    """The files among `paths`, and those in the folders among them, by name; each once.

    Raises:
        AeganError: A folder holds no recording.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file())
            if not inside:
                raise AeganError(f"{show_path(path)}: expected WAV or FLAC recordings in this folder, found none; name another folder")
            found += inside
        else:
            found.append(path)
    return list(dict.fromkeys(found))


class Backtest:
    """Takes the decisions about a stream of recordings, in order.

    Attributes:
        course: The decisions so far.
        alarms: The alarms so far.
    """

    def __init__(self, fields: BundleFields, judge: Judge, source: JoinedRecordings, report: Report) -> None:
        """`report` takes a line for each alarm."""
        self.course, self.alarms = Course(judge.hop_samples / source.sample_rate_hz), list[Alarm]()
        self._judge, self._source, self._report = judge, source, report
        self._rate = source.sample_rate_hz
        self._clip_samples = fields.first_decision_samples
        self._state_samples = dict.fromkeys(get_args(AlarmState), 0)
        self._spans: list[tuple[int, int]] = []  # samples without a pause that scores have covered

    def take(self, outcome: Outcome) -> None:
        """Take the next decision."""
        end_sample, state, decision = outcome.clip.end_sample, self._judge.record.process, outcome.decision
        end_s = end_sample / self._rate
        self._cover(end_sample, state)
        self.course.times_s.append(end_s)
        self.course.scores.append(decision.score)
        self.course.evidence.append(math.nan if decision.evidence is None else decision.evidence)
        self.course.states.append(state)
        self.course.operating.append(outcome.state.name if outcome.state else "")
        is_active = state in IN_ALARM
        was_active = bool(self.alarms) and self.alarms[-1].ended_s is None
        if is_active == was_active:
            return
        place = self._source.describe_place(outcome.clip.end_sample)
        if is_active:
            path, offset_s = self._source.find(outcome.clip.end_sample)
            self.alarms.append(Alarm(end_s, path, offset_s, decision.score))
            self._report(f"{place}  alarm raised: {self._judge.score} {decision.score:.4g}")
        else:
            self.alarms[-1].ended_s = end_s
            self._report(f"{place}  alarm cleared after {end_s - self.alarms[-1].raised_s:.0f} s")

    def _cover(self, end_sample: int, state: str) -> None:
        start, end = self._spans.pop() if self._spans else (0, -1)
        if end_sample - end <= self._judge.hop_samples:
            self._spans.append((start, end_sample))
            self._state_samples[state] += end_sample - end
        else:
            if end >= 0:
                self._spans.append((start, end))
            self._spans.append((end_sample - self._clip_samples, end_sample))
            self._state_samples[state] += self._clip_samples

    def sum_up(self, labels: Iterable[Label]) -> Result:
        """The figures, by the faults that are known."""
        known, faults = self._source.spans_s, list[Fault]()
        for label in labels:
            start_s, end_s = known.get(label.path, (0.0, 0.0))
            if label.start_s < end_s - start_s:
                faults.append(Fault(label.path, start_s + label.start_s, min(end_s, start_s + label.end_s), label.what, label.start_s))
            else:
                self._report(f"fault {label.what} in {show_path(label.path)}: not tested, the recording ends before it or was refused")
        policy = self._judge.policy
        lag_s = policy.block_s if isinstance(policy, BudgetPolicy) else self._clip_samples / self._rate
        faults = judge_alarms(self.alarms, faults, lag_s)
        spans_s = [(start / self._rate, end / self._rate) for start, end in self._spans]
        return Result(
            length_s=self._source.n_samples / self._rate,
            scored_s=sum(end - start for start, end in spans_s),
            normal_s=measure_normal(spans_s, faults),
            state_s={state: n / self._rate for state, n in self._state_samples.items()},
            alarms=self.alarms,
            faults=faults,
        )


def backtest_configuration(arguments: Namespace, report: Report, warn: Callable[[AeganError], object], progress: Progress) -> int:
    """`aegan-monitor backtest`: replay, print the figures, and write them into the folder `out`; the exit code, 1 where a file was refused.

    Raises:
        UsageError, ConfigError, BundleError, InferenceError: As the parts raise.
        CaptureError: All recordings together are too short for one decision.
        AeganError: The labels are wrong, or a file cannot be written.
    """
    refused: list[CaptureError] = []

    def say(line: str) -> None:
        progress.clear()
        report(line)

    def refuse(error: CaptureError) -> None:
        progress.clear()
        refused.append(error)
        warn(error)

    config = load_config(arguments.config)
    machine = find_machine("backtest", arguments.config, config.machines, arguments.machine)
    recordings = find_recordings(arguments.recordings)
    labels = read_labels(arguments.labels, recordings) if arguments.labels else []
    if arguments.out:
        make_folder(arguments.out, "--out")  # not only after hours of work
    bundle = load_bundle(machine.bundle)
    budgets = [share(config)[machine.name], *map(Budget, dict.fromkeys(arguments.budget))]
    judge, *others = [Judge(bundle.record, choose_score(machine, bundle), machine.alarm, each, bundle.reference) for each in budgets]
    if others and not isinstance(judge.policy, BudgetPolicy):
        raise UsageError(f"--budget: {machine.name} has thresholds, which no budget changes; set alarm.policy to budget, or leave it out")
    session = open_wanted(bundle, config.inference, read_prepared(config, os.environ))
    stream = RecordedStream(bundle, session, judge, recordings, arguments.channel, refuse, progress, machine.operating_state)
    if not stream.paths:
        return EXIT_FAILED  # a line for each was printed
    say(f"{machine.name}: {judge.policy.describe()}")
    backtest = Backtest(bundle.record, judge, stream.source, say)
    compared = [(each, Backtest(bundle.record, each, stream.source, _ignore)) for each in others]
    for outcome in stream.read(say):
        backtest.take(outcome)
        for each, other in compared:  # the scores of one pass serve every budget
            other.take(each.judge(outcome.clip, state=outcome.state))
    result = backtest.sum_up(labels)
    found = [(each, other.sum_up(labels)) for each, other in compared]
    lines = result.describe()
    lines += [f"with {budget.per_week:g} accepted a week: {each.sum_up()}" for budget, (_, each) in zip(budgets[1:], found, strict=True)]
    if arguments.out:
        facts = make_facts(machine.name, judge, result)
        facts["other_budgets"] = [make_facts(machine.name, each, other) for each, other in found]
        lines += write_report(
            arguments.out, "backtest", lines, facts, lambda: draw(machine.name, judge.policy, result, backtest.course), "--out"
        )
    for line in lines:
        say(line)
    return EXIT_FAILED if refused else 0


def _ignore(_line: str) -> None:
    """The alarms of another budget are counted, and not printed one by one."""


def make_facts(name: str, judge: Judge, result: Result) -> dict[str, object]:
    """The content of `backtest.json`."""
    rate, least, most = result.false_per_week
    policy = judge.policy
    return {
        "machine": name,
        "policy": "budget" if isinstance(policy, BudgetPolicy) else "threshold",
        "alarm": policy.describe(),
        "budget_per_week": policy.budget.per_week if isinstance(policy, BudgetPolicy) else None,
        "length_s": result.length_s,
        "scored_s": result.scored_s,
        "coverage_percent": 100 * result.scored_s / result.length_s,
        "normal_s": result.normal_s,
        "n_alarms": len(result.alarms),
        "n_false_alarms": result.n_false,
        "false_alarms_per_week": rate,
        "false_alarms_per_week_at_least": least,
        "false_alarms_per_week_at_most": most if math.isfinite(most) else None,
        "state_s": result.state_s,
        "alarms": [{**asdict(alarm), "file": str(alarm.file)} for alarm in result.alarms],
        "faults": [{**asdict(fault), "file": str(fault.file), "verdict": fault.verdict} for fault in result.faults],
    }
