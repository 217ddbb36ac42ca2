"""The commands for people, at a real broker with the retained states of several nodes."""

import contextlib
import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from paho.mqtt.publish import multiple

from aegan_monitor.cli import main
from aegan_monitor.errors import PublishError
from aegan_monitor.messages.commands import Refusal, make_result, parse
from aegan_monitor.mqtt.endpoint import Endpoint
from aegan_monitor.tools.broker_connection import BrokerConnection
from aegan_monitor.tools.terminal.broker import Broker
from aegan_monitor.tools.terminal.watch import Watch
from broker import STEP_DEADLINE_S, Mosquitto, wait_until
from plant_messages import messages, raised

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker that has the states, and a daemon that answers commands for `aegan/hall`."""
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"), quiet=True)
    broker.start()
    multiple([(topic, payload, 1, True) for topic, payload in messages() if not topic.endswith("/score")], port=broker.port)
    with answering(broker.port):
        yield broker
    broker.stop()


@contextlib.contextmanager
def answering(port: int) -> Iterator[None]:
    """Accept commands for the machines of `aegan/hall`, but `unshelve`, each after an answer to somebody else; ends with the block."""
    ending, ready = threading.Event(), threading.Event()

    def take(topic: str, payload: bytes) -> None:
        command = parse(payload, 4096)
        reason = "it is not shelved" if not isinstance(command, Refusal) and command.command == "unshelve" else ""
        for each in (Refusal("somebody else's", id="another"), command):
            result = make_result(each, reason, datetime.now(UTC))
            waiting.append((topic.replace("/command", "/result"), result.model_dump_json().encode()))

    waiting: list[tuple[str, bytes]] = []

    def serve() -> None:
        connection = BrokerConnection(Endpoint("127.0.0.1", port, "daemon"), "5", STEP_DEADLINE_S, take)
        connection.connect()
        connection.subscribe(["aegan/hall/+/command"])
        ready.set()
        while not ending.is_set():
            connection.serve(lambda: bool(waiting) or ending.is_set(), STEP_DEADLINE_S)
            for topic, payload in waiting:
                connection.publish(topic, payload)
            waiting.clear()
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(STEP_DEADLINE_S)
    try:
        yield
    finally:
        ending.set()
        thread.join()


@pytest.fixture
def run(broker: Mosquitto, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "Run":
    """Runs a command in a folder without a configuration."""
    monkeypatch.chdir(tmp_path)
    return Run(["--host", "127.0.0.1", "--port", str(broker.port)], capsys)


class Run:
    """Runs a command; gives its exit code, and its lines of output and of errors."""

    def __init__(self, place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        """Store."""
        self._place, self._capsys = place, capsys

    def __call__(self, *words: str) -> tuple[int, list[str], list[str]]:
        code = main([words[0], *self._place, *words[1:]])
        done = self._capsys.readouterr()
        return code, done.out.splitlines(), done.err.splitlines()


def test_status_fails_where_somebody_is_needed(run: Run) -> None:
    """For scripts: 1 with a machine in alarm or deaf, 0 with those that are well."""
    code, lines, _ = run("status")
    assert code == 1
    assert [line.split()[0] for line in lines[:3]] == ["machine", "hall/fan", "hall/press"]
    code, lines, _ = run("status", "--topic", "aegan/mill", "--json")
    assert [(fields["machine"], fields["trouble"] != "") for fields in map(json.loads, lines)] == [
        ("gear", True),
        ("mixer", False),
        ("saw", False),
    ]


def test_a_node_that_is_well(run: Run, broker: Mosquitto) -> None:
    """One whose machines are all in order ends with 0."""
    well = [(topic.replace("hall", "well"), payload, 1, True) for topic, payload in messages() if "/pump/" in topic]
    multiple([("aegan/well/status", b"online", 1, True), *well], port=broker.port)
    code, lines, _ = run("status", "--topic", "aegan/well")
    assert code == 0
    assert [line.split()[:2] for line in lines] == [["machine", "alarm"], ["pump", "normal"]]
    multiple([(topic, b"", 1, True) for topic in ("aegan/well/status", *dict.fromkeys(topic for topic, *_ in well))], port=broker.port)


def test_a_case_by_the_beginning_of_its_id(run: Run) -> None:
    """A list, one of it, and a wrong id."""
    code, lines, _ = run("cases", "--json")
    assert (code, [json.loads(line)["case"]["machine"] for line in lines]) == (0, ["press", "gear"])
    code, lines, _ = run("cases", "5b0b", "--topic", "aegan/hall")
    assert (code, lines[:2]) == (0, ["case       5b0b5f4c-0a5e-4c0e-9a55-3f4c57d35f0e", "machine    press"])
    code, _, (line,) = run("cases", "5c")
    assert code == 1
    assert line.endswith("no case '5c' among the open ones; list them with: aegan-monitor cases")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["acknowledge", "press", "--verdict", "true_fault"], "hall/press: acknowledged"),
        (["shelve", "hall/pump", "--minutes", "90", "--by", "Anna"], "hall/pump: shelved for 90 min"),
        (["shelve", "pump"], "hall/pump: shelved for 60 min"),
        (["out-of-service", "fan"], "hall/fan: out of service"),
    ],
)
def test_a_command_is_obeyed(run: Run, words: list[str], answer: str) -> None:
    """The answer of the daemon, in a line."""
    assert run(*words) == (0, [answer], [])


def test_a_command_is_refused(run: Run) -> None:
    """With the daemon's reason, and as JSON."""
    code, _, (line,) = run("unshelve", "pump")
    assert (code, line) == (1, "aegan-monitor: hall/pump: unshelve was refused: it is not shelved")
    code, (line,), _ = run("unshelve", "pump", "--json")
    answer = json.loads(line)
    assert (code, answer["node"], answer["machine"], answer["result"]["accepted"]) == (1, "hall", "pump", False)


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (["acknowledge", "prss"], "no machine 'prss'; did you mean hall/press?"),
        (["acknowledge", "zzz", "--topic", "aegan/mill"], "no machine 'zzz'; there are: gear, mixer, saw"),
        (["acknowledge", "crane"], "the daemon of yard is offline: a command would be lost, and was not sent"),
        (["status", "--topic", "aegan/nowhere"], "does a daemon run there (--topic names another place)? May this user read it?"),
        (["close", "saw", "--timeout", "0.5"], "with mqtt.commands.enabled, and may this user read the result?"),
    ],
)
def test_what_is_wrong_has_one_line(run: Run, words: list[str], end: str) -> None:
    """One line on what to do."""
    code, _, (line,) = run(*words)
    assert code == 1
    assert line.endswith(end)


def test_a_text_that_is_too_long_is_refused_before_it_is_sent(run: Run) -> None:
    """As wrong usage."""
    code, _, (line,) = run("unshelve", "pump", "--by", "x" * 65)
    assert (code, line) == (2, "aegan-monitor: unshelve: by: string should have at most 64 characters")


def test_watch_prints_what_comes(run: Run, broker: Mosquitto) -> None:
    """A pipe gets a line a score, an event, and a machine whose daemon goes; --json all messages as they were published."""
    scored = [(topic, payload) for topic, payload in messages() if topic.endswith("hall/pump/score")]
    live = [*scored, ("aegan/hall/press/event", raised()), ("aegan/mill/status", b"offline")]
    for options, n_lines in ((["--json"], 20), ([], 12)):
        timer = threading.Timer(0.5, multiple, [live], {"port": broker.port})
        timer.start()
        code, lines, _ = run("watch", "--seconds", "1.5", *options)
        timer.join()
        assert (code, len(lines)) == (0, n_lines), lines
        assert not options or json.loads(lines[-1]) == {"node": "mill", "machine": None, "kind": "status", "payload": "offline"}
    assert [line.split() for line in lines[-3:]] == [[f"mill/{name}", "DAEMON", "OFFLINE"] for name in ("gear", "mixer", "saw")]
    assert "hall/pump         normal                12 % [##              ]  -31.5 dBFS  running" in lines
    assert any(line[8:].startswith("  hall/press raised: 4.47 to 4.90 kHz") for line in lines)


class Terminal(io.StringIO):
    """A terminal that keeps what was written."""

    def isatty(self) -> bool:
        return True


def test_watch_comes_back(tmp_path: Path) -> None:
    """Where the broker is gone nothing old is shown, and the connection is made again; where it never was there, the command fails."""
    server = Mosquitto(tmp_path / "mosquitto")
    screen = Terminal()
    watch = Watch(Broker(Endpoint("127.0.0.1", server.port, "terminal"), "5", "aegan/+", STEP_DEADLINE_S), screen, as_json=False)
    with pytest.raises(PublishError):
        watch.run()
    server.start()
    multiple([(topic, payload, 1, True) for topic, payload in messages()], port=server.port)
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        wait_until(lambda: "hall/press        ALARM" in screen.getvalue(), "the machines")
        server.restart()  # without what it had stored
        wait_until(lambda: "; trying again every 2 s" in screen.getvalue(), "the loss")
        wait_until(lambda: screen.getvalue().endswith("no machine yet\n"), "an empty screen")
    finally:
        watch.stop()
        thread.join()
        server.stop()
