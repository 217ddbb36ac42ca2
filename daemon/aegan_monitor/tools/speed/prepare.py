"""`aegan-monitor prepare`: finds the fastest provider and precision that are right on this computer, and remembers them for `run`."""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from aegan_monitor.config.model import InferenceConfig, load_config
from aegan_monitor.detection.bundle import Bundle, load_bundle, require_streamable
from aegan_monitor.detection.fusion import needed_graphs
from aegan_monitor.detection.network import MAX_BATCH
from aegan_monitor.errors import EXIT_FAILED, AeganError, InferenceRunError
from aegan_monitor.files import show_path
from aegan_monitor.inference.box import describe_box
from aegan_monitor.inference.gate import GateClips, compare, load_gate
from aegan_monitor.inference.open import LONGEST_BUILD, offered
from aegan_monitor.inference.prepared import Finding, Prepared
from aegan_monitor.inference.providers import PROVIDERS, STRICT, Choice
from aegan_monitor.inference.trial import Trial, run_trial
from aegan_monitor.service.runtime import choose_score
from aegan_monitor.tools.daemon_state import read_prepared
from aegan_monitor.tools.progress import Progress

Report = Callable[[str], object]
N_ROUNDS = 3  # of all choices in turn: the fastest round of each counts, which another program has disturbed least
ROUND_S = 0.6
HEAD = f"  {'provider':<9} {'precision':<9} {'segments/s':>10} {'ratio':>6} {'start':>7} {'memory':>8}  result"


def prepare(arguments: argparse.Namespace, report: Report, progress: Progress, environment: Mapping[str, str]) -> int:
    """Try every choice for each bundle and score, and remember what passed; the exit code, 1 if strict fp32 fails on one.

    Raises:
        ConfigError, BundleError: As the parts raise.
        InferenceRunError: The result cannot be written.
    """
    config = load_config(arguments.config) if arguments.config else None
    inference = config.inference if config else InferenceConfig()
    prepared = read_prepared(config, environment)
    bundles = {path: load_bundle(path) for path in ({each.bundle for each in config.machines} if config else [arguments.bundle])}
    machines = [(each.bundle, choose_score(each, bundles[each.bundle])) for each in config.machines] if config else []
    lines = Counter(machines or [(path, bundle.record.score) for path, bundle in bundles.items()])
    with writing(prepared):
        prepared.make_folder()  # not only after all the work
    say: Report = (lambda _: None) if arguments.json else report
    say(f"{describe_box()[0]}; {inference.n_threads} of them for the networks")
    is_right = True
    for number, ((folder, score), n_machines) in enumerate(lines.items()):
        bundle, graphs = bundles[folder], needed_graphs(bundles[folder].record, score)
        if not graphs:
            say(f"{show_path(folder)}: score {score} needs no network")
            continue
        choices = offered(bundle, graphs)
        for choice in choices:
            if PROVIDERS[choice.provider].builds:
                say(f"{choice} builds an engine for {show_path(folder)}, which may take {LONGEST_BUILD}")
        shares = lambda share, number=number: progress.show((number + share) / len(lines))  # noqa: E731
        findings = try_all(bundle, score, choices, n_machines, inference.n_threads, prepared, shares)
        progress.clear()
        with writing(prepared):
            prepared.remember(bundle, score, inference.n_threads, findings)
        best = prepared.find(bundle, score, inference.n_threads)[0]
        is_right &= not best.problem
        for line in describe(folder, score, bundle, findings, best):
            say(line)
        if arguments.json:
            tried = [asdict(each) for each in findings]
            report(json.dumps({"bundle": str(folder), "score": score, "n_threads": inference.n_threads, "choices": tried}, allow_nan=False))
    if config:
        prepared.remove_engines(bundles.values())
    say(f"remembered in {show_path(prepared.path)}; a daemon that runs needs a reload to use it")
    return 0 if is_right else EXIT_FAILED


@contextmanager
def writing(prepared: Prepared) -> Iterator[None]:
    """Context for writing what was found.

    Raises:
        InferenceRunError: It cannot be written.
    """
    try:
        yield
    except OSError as error:
        remedy = "run prepare as the user of the daemon"
        raise InferenceRunError(f"{prepared.path}: cannot be written: {error.strerror or error}; {remedy}") from error


def try_all(
    bundle: Bundle, score: str, choices: list[Choice], n_machines: int, n_threads: int, prepared: Prepared, show: Callable[[float], object]
) -> list[Finding]:
    """What each of `choices` gives for `score`; `show` takes the share that is done.

    Raises:
        BundleError: The bundle cannot be streamed, or its gate is damaged.
    """
    require_streamable(bundle)
    gate = load_gate(bundle)
    n_batch = min(MAX_BATCH, bundle.record.clip.segments_per_decision * n_machines)
    found: dict[Choice, Finding] = {}
    expected: list[float] = []
    steps = _list_steps(choices)
    for number, (is_first, choice) in enumerate(steps):
        show(number / len(steps))
        if not is_first and found[choice].problem:
            continue
        cache = prepared.find_engines(bundle, choice)
        try:
            trial = run_trial(bundle.folder, score, choice, n_threads, n_batch=n_batch, seconds=ROUND_S, cache=cache, has_gate=is_first)
        except AeganError as error:
            found[choice] = replace(found[choice], problem=str(error)) if choice in found else Finding(*choice, problem=str(error))
            continue
        if is_first:
            expected = expected or trial.scores
            found[choice] = judge(bundle, score, choice, trial, gate, expected)
        elif trial.segments_per_s > found[choice].segments_per_s:
            found[choice] = replace(found[choice], segments_per_s=trial.segments_per_s)
    return list(found.values())


def _list_steps(choices: list[Choice]) -> list[tuple[bool, Choice]]:
    """Every choice in each round, and whether it is the first; strict fp32 leads, as the others are compared with it."""
    ordered = sorted(choices, key=lambda each: each != STRICT)
    n_rounds = N_ROUNDS if len(ordered) > 1 else 1  # alone it is compared with nothing
    return [(not number, choice) for number in range(n_rounds) for choice in ordered]


def judge(bundle: Bundle, score: str, choice: Choice, trial: Trial, gate: GateClips | None, expected: list[float]) -> Finding:
    """The finding of a trial that has passed the golden check; `expected` are the gate's scores in strict fp32."""
    finding = Finding(*choice, "", trial.segments_per_s, trial.start_s, trial.rss_bytes, trial.golden)
    if gate is None or choice == STRICT:
        return finding
    if not expected:
        return replace(finding, problem="strict fp32 does not run, so there is nothing to compare with")
    figures = compare(bundle.record, score, gate, np.array(expected), np.array(trial.scores))
    return replace(finding, gate=figures, problem=f"gate: {problem}" if (problem := figures.find_problem()) else "")


def describe(folder: Path, score: str, bundle: Bundle, findings: list[Finding], best: Finding) -> Iterator[str]:
    """The table of one bundle and score, for people."""
    graphs = ", ".join(needed_graphs(bundle.record, score)) or "none"
    yield f"{show_path(folder)}: score {score}, graphs: {graphs}"
    yield HEAD
    strict = next((each.segments_per_s for each in findings if each.choice == STRICT), 0.0)
    for each in findings:
        figures = f"{'':>10} {'':>6} {'':>7} {'':>8}"
        if each.segments_per_s:
            ratio = each.segments_per_s / strict if strict else float("nan")
            figures = f"{each.segments_per_s:10.0f} {ratio:6.2f} {each.start_s:5.2f} s {each.rss_bytes / 1e6:5.0f} MB"
        golden = f"golden check at {100 * each.golden:.0f} % of its bound" if each.golden else ""
        passed = ", gate ".join(filter(None, [golden, each.gate.describe() if each.gate else ""]))
        yield f"  {each.provider:<9} {each.precision:<9} {figures}  {each.problem or passed}"
    if best.problem:
        yield "nothing is right here: run uses nothing of this"
        return
    proof = "" if best.gate or best.choice == STRICT else "; this bundle has no gate: the golden check alone decides"
    yield f"auto: {best.choice}{proof}"
