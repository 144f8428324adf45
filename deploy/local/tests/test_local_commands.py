"""What the commands understand, and how they refuse."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

import httpx
import pytest
from aiokafka.errors import KafkaConnectionError
from typer.testing import CliRunner, Result

from kehu_chassis.clock import SuiteClock
from kehu_chassis.database import DatabaseUnavailable
from kehu_chassis.kafka import Kafka
from kehu_contracts.topics import TOPICS
from kehu_local import api, clock, dead_letters, replay, topics
from kehu_local.cli import app, main
from kehu_local.failures import Failed
from kehu_local.jars import Jar, JarsFailed, fetch_jars, jars_are_complete, read_lock
from kehu_local.output import Output
from kehu_local.plan import PORTS, Plan, choose_ports
from kehu_local.supervisor import _Lives


def test_ports_are_moved_by_the_offset_and_then_by_name() -> None:
    ports = choose_ports(["gateway=9999"], 1000)
    assert ports["gateway"] == 9999
    assert ports["kafka"] == PORTS["kafka"] + 1000


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (["mail=25"], "no port named 'mail'"),
        (["gateway=http"], "names no port number"),
        (["gateway=70000"], "no port number for gateway"),
        (["gateway=8101"], "same port was chosen for customer and gateway"),
    ],
)
def test_a_port_that_makes_no_sense_is_refused(chosen: list[str], told: str) -> None:
    with pytest.raises(Failed, match=told):
        choose_ports(chosen, 0)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("16d", timedelta(days=16)),
        ("36h", timedelta(hours=36)),
        ("1w2d", timedelta(days=9)),
        ("90m", timedelta(minutes=90)),
        ("45s", timedelta(seconds=45)),
    ],
)
def test_a_span_is_read(text: str, span: timedelta) -> None:
    assert clock.parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "16", "d", "-1d", "1.5h", "16d ", "1y"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(Failed, match="no span of time"):
        clock.parse_duration(text)


@pytest.mark.parametrize("text", ["yesterday", "1999-01-01T09:00"])
def test_an_instant_needs_a_date_and_a_zone(text: str) -> None:
    with pytest.raises(Failed):
        clock.parse_instant(text)


def test_the_clock_starts_in_the_past_and_moves_forward_only(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    start = datetime(1999, 1, 1, 1, 0, tzinfo=UTC)
    clock.start_at(path, start)
    assert timedelta() <= SuiteClock(path).now() - start < timedelta(seconds=30)
    moved = clock.advance(path, timedelta(days=16))
    assert timedelta(days=16) <= moved - start < timedelta(days=16, seconds=30)
    with pytest.raises(Failed, match="only moves forward"):
        clock.set_forward(path, start)
    assert SuiteClock(path).now() >= moved


def test_a_command_without_a_suite_tells_how_to_start_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["clock", "show", "--data", str(tmp_path)])
    assert ended.value.code == 1
    assert "make up" in capsys.readouterr().err


def test_a_token_is_for_a_user_or_a_client_not_both(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["token", "--user", "rm", "--client", "core-banking"])
    assert ended.value.code == 1
    assert "Name either a user or a client" in capsys.readouterr().err


def test_a_plan_is_found_again_by_the_other_commands(tmp_path: Path) -> None:
    plan = Plan(root=tmp_path, data=tmp_path, ports=choose_ports([], 7), kafka="broker:9092")
    plan.run.mkdir()
    plan.save()
    assert Plan.load(tmp_path, tmp_path) == plan


def test_servers_that_already_run_need_no_port_here() -> None:
    used = Plan(root=Path(), data=Path(), kafka="broker:9092", postgres="postgresql://db/kehu").used_ports()
    assert not {"kafka", "kafka-controller", "postgres"} & set(used)


def test_a_full_log_makes_room_and_keeps_the_lines_before(tmp_path: Path) -> None:
    output = Output(tmp_path, largest=10)
    output.write("api", b"first line\n")
    output.write("api", b"second\n")
    output.close()
    assert (tmp_path / "api.log.1").read_bytes() == b"first line\n"
    assert (tmp_path / "api.log").read_bytes() == b"second\n"


def test_pauses_between_restarts_double_and_the_fifth_death_within_a_minute_is_the_last() -> None:
    lives = _Lives()
    assert [lives.died(float(second)) for second in range(5)] == [0.5, 1.0, 2.0, 4.0, None]
    assert lives.given_up


def test_deaths_that_are_far_apart_never_give_a_child_up() -> None:
    lives = _Lives()
    assert [lives.died(minute * 61.0) for minute in range(10)] == [0.5] * 10
    assert not lives.given_up


def test_every_locked_jar_has_a_hash_and_no_address() -> None:
    jars = read_lock()
    assert {"kafka_2.13", "log4j-slf4j-impl"} <= {jar.artifact for jar in jars}
    assert {len(jar.sha256) for jar in jars} == {64}


def test_a_jar_that_is_not_the_locked_one_is_refused_and_not_kept(tmp_path: Path) -> None:
    made = Jar("org.example", "thing", "1", "0" * 64)
    repository = tmp_path / ".repository" / "org" / "example" / "thing" / "1"
    repository.mkdir(parents=True)
    (repository / "thing-1.jar").write_bytes(b"something else")
    with pytest.raises(JarsFailed, match="locked is"):
        fetch_jars(tmp_path, [made])
    assert not jars_are_complete(tmp_path, [made])
    assert list(tmp_path.rglob("*.jar")) == []


async def test_topics_are_created_once_and_differences_are_told(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = [replace(topic, name=kafka.prefix + topic.name) for topic in TOPICS[:2]]
    monkeypatch.setattr(topics, "TOPICS", tuple(mine))
    created = await topics.apply_topics(kafka.bootstrap)
    assert [change.what for change in created] == ["create with 6 partitions"] * 2
    assert await topics.apply_topics(kafka.bootstrap) == []
    grown = replace(mine[0], partitions=12)
    monkeypatch.setattr(topics, "TOPICS", (grown,))
    (found,) = [change for change in await topics.plan_topics(kafka.bootstrap) if "partitions" in change.what]
    assert found.what == "has 6 partitions, should have 12"
    assert not found.applicable


class FakeApi:
    """The operations API of a suite, with one dead letter, a stopped consumer and a worker that does what is asked."""

    calls: ClassVar[list[tuple[str, object]]] = []
    outcomes: ClassVar[dict[str, str]] = {"redrives": "redriven", "skips": "skipped"}
    """What becomes of the letter by what is asked."""
    letter: ClassVar[dict[str, Any]] = {
        "dead_letter_id": "0198c2a0-0000-7000-8000-00000000dead",
        "id": "0198c2a0-0000-7000-8000-00000000feed",
        "state": "open",
        "subscription": "parties",
        "topic": "bank.party.v1",
        "type": "bank.party",
        "key": "4711",
        "reason": "body does not fit",
        "died_at": "2026-01-15T02:30:00Z",
    }
    services: ClassVar[list[dict[str, Any]]] = [
        {
            "service": "customer",
            "status": "degraded",
            "health": {
                "outbox": {"depth": 3, "oldest_seconds": 61.4},
                "consumers": [
                    {
                        "subscription": "bank-party",
                        "state": "stopped",
                        "reason": "21 messages died",
                        "lag": None,
                        "held": 5,
                        "open_dead_letters": 21,
                    }
                ],
                "due_timers": 1,
                "failing_timers": 0,
                "timers": [
                    {
                        "kind": "retention",
                        "set": 2,
                        "due": 1,
                        "failing": 0,
                        "late_seconds": 12.2,
                        "next_due_at": "2026-01-16T02:30:00Z",
                    },
                    {"kind": "note", "set": 1, "due": 0, "failing": 0, "late_seconds": None, "next_due_at": None},
                ],
                "topics": [{"topic": "bank.party.v1", "last_message_at": "2026-01-15T02:29:58Z"}],
                "parked_messages": 0,
                "parked_oldest_seconds": None,
                "open_dead_letters": 21,
                "alerts": [
                    {"alert": "KehuOutboxOld", "of": None, "figure": 61.4, "threshold": 60.0, "state": "page"},
                    {"alert": "KehuTimersLate", "of": None, "figure": 12.2, "threshold": 300.0, "state": "ok"},
                    {"alert": "KehuDeadLetters", "of": "bank-party", "figure": 21, "threshold": 0.0, "state": "ticket"},
                    {
                        "alert": "KehuConsumerLag",
                        "of": "bank-party",
                        "figure": None,
                        "threshold": 10000.0,
                        "state": "unknown",
                    },
                ],
            },
        },
        {"service": "complaints", "status": "unavailable", "health": None},
    ]

    def __init__(self, plan: Plan, token: str) -> None:
        assert (plan.gateway_url, token) == ("http://127.0.0.1:9999", "token of operator")
        self._state = "open"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get(self, path: str, **parameters: Any) -> Any:
        self.calls.append((path, {key: value for key, value in parameters.items() if value is not None}))
        if path == "/api/v1/operations":
            return {"services": self.services}
        is_list = path.endswith("dead-letters")
        return {"items": [self.letter], "next_cursor": None} if is_list else self.letter | {"state": self._state}

    def post(self, path: str, body: object) -> Any:
        self.calls.append((path, body))
        self._state = self.outcomes.get(path.rpartition("/")[2], "open")


@pytest.fixture
def kehu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command against a suite of a data folder, with a fake API."""
    plan = Plan(root=tmp_path, data=tmp_path, ports={**PORTS, "gateway": 9999})
    plan.run.mkdir()
    plan.save()
    monkeypatch.setattr(api, "Api", FakeApi)
    monkeypatch.setattr(api, "token_of_user", lambda _, user: f"token of {user}")
    monkeypatch.setattr(FakeApi, "calls", [])

    def run(*arguments: str, answer: str = "") -> Result:
        return CliRunner().invoke(app, arguments, input=answer, env={"KEHU_DATA": str(tmp_path), "COLUMNS": "200"})

    return run


def test_a_dead_letter_is_listed_by_the_id_by_which_it_is_shown_and_settled(kehu: Callable[..., Result]) -> None:
    letter = FakeApi.letter["dead_letter_id"]
    shown = kehu("dead-letters", "list", "customer", "--state", "open")
    assert shown.exit_code == 0, shown.output
    assert letter in shown.output
    assert FakeApi.letter["id"] not in shown.output
    assert "bank.party of 4711 on bank.party.v1: body does not fit" in shown.output
    assert kehu("dead-letters", "show", "gateway", letter).exit_code == 0
    redriven = kehu("dead-letters", "redrive", "customer", letter, "--reason", "mended")
    assert (redriven.exit_code, redriven.output) == (0, f"{letter}  redriven\n")
    skipped = kehu("dead-letters", "skip", "customer", letter, letter, "--reason", "no use")
    assert (skipped.exit_code, skipped.output) == (0, f"{letter}  skipped\n" * 2)
    path = "/api/v1/operations/customer/dead-letters"
    one, skip = f"{path}/{letter}", (f"{path}/{letter}/skips", {"reason": "no use"})
    assert FakeApi.calls == [
        (path, {"state": "open"}),
        (f"/api/v1/operations/gateway/dead-letters/{letter}", {}),
        (f"{one}/redrives", {"reason": "mended"}),
        (one, {}),
        *(skip, skip, (one, {}), (one, {})),
    ]


def test_ids_of_dead_letters_stand_at_the_beginning_of_a_line_however_narrow_the_terminal(
    kehu: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FakeApi.letter, "reason", "long " * 40)
    first, second = kehu("dead-letters", "list", "customer").output.splitlines()
    assert first == f"{FakeApi.letter['dead_letter_id']}  open  parties  2026-01-15T02:30:00Z"
    assert second.startswith("    bank.party of 4711 on bank.party.v1: long long")


@pytest.mark.parametrize(
    ("state", "told"), [("open", "died again: body does not fit"), ("redrive", "waits for the worker of the service")]
)
def test_a_letter_that_is_not_settled_is_told_and_the_command_fails(
    kehu: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, state: str, told: str
) -> None:
    monkeypatch.setitem(FakeApi.outcomes, "redrives", state)
    monkeypatch.setattr(dead_letters, "DONE_WITHIN", 0.0)
    redriven = kehu("dead-letters", "redrive", "customer", FakeApi.letter["dead_letter_id"], "--reason", "try")
    assert redriven.exit_code == 1
    assert told in redriven.output


def test_the_health_of_every_service_is_told_and_is_1_unless_all_is_well(
    kehu: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    ill = kehu("health")
    assert ill.exit_code == 1
    assert ill.output.splitlines() == [
        "customer: degraded",
        "  outbox 3 events, the oldest 61 s old; timers 1 due, 0 failing; parked empty; dead letters 21",
        "  page   KehuOutboxOld: 61, threshold 60",
        "  ticket KehuDeadLetters of bank-party: 21, threshold 0",
        "  bank-party               stopped  lag unknown, held 5, dead letters 21 (21 messages died)",
        "  retention                timer    2 set, 1 due, 12 s late, 0 failing, next due 2026-01-16T02:30:00Z",
        "  note                     timer    1 set, 0 due, 0 failing, next due none",
        "  bank.party.v1            topic    last message 2026-01-15T02:29:58Z",
        "complaints: unavailable",
    ]
    monkeypatch.setattr(FakeApi, "services", [{"service": "customer", "status": "ok", "health": None}])
    assert kehu("health").exit_code == 0


def test_a_stopped_consumer_is_resumed_by_its_names_and_with_a_reason(kehu: Callable[..., Result]) -> None:
    assert kehu("resume", "customer", "bank-party").exit_code == 2
    assert isinstance(kehu("resume", "custmer", "bank-party", "--reason", "mended").exception, Failed)
    assert FakeApi.calls == []
    assert kehu("resume", "customer", "bank-party", "--reason", "mended").exit_code == 0
    path = "/api/v1/operations/customer/consumers/bank-party/resumptions"
    assert FakeApi.calls == [(path, {"reason": "mended"})]


def test_a_refused_request_is_told_with_each_of_its_errors() -> None:
    errors = [{"pointer": "#/state", "detail": "Input should be 'open' or 'skipped'"}]
    refused = {"code": "request.invalid", "title": "The request is invalid", "errors": errors}
    told = api._problem(httpx.Response(422, json=refused))
    assert told == "422 request.invalid The request is invalid; #/state: Input should be 'open' or 'skipped'"


def test_a_ledger_that_is_not_there_is_not_taken_for_one_without_anchors(
    kehu: Callable[..., Result], tmp_path: Path
) -> None:
    refused = kehu("audit", "verify", "--ledger", str(tmp_path / "misspelt"))
    assert isinstance(refused.exception, Failed)
    assert "There is no ledger in" in str(refused.exception)


@pytest.mark.parametrize("command", [("worker", "customer"), ("worker", "custmer"), ("psql", "--as", "custmer")])
def test_what_needs_the_suite_or_a_name_of_it_is_refused(kehu: Callable[..., Result], command: tuple[str, ...]) -> None:
    assert isinstance(kehu(*command).exception, Failed)


@pytest.mark.parametrize(
    ("away", "told"),
    [
        (DatabaseUnavailable("PostgreSQL does not answer"), "PostgreSQL does not answer"),
        (KafkaConnectionError("nobody listens"), "KafkaConnectionError: nobody listens"),
        (TimeoutError(), "TimeoutError"),
    ],
    ids=["database", "broker", "too slow"],
)
def test_a_replay_that_meets_an_outage_tells_what_to_do(
    kehu: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, away: Exception, told: str
) -> None:
    def open_nothing(*_: object) -> None:
        raise away

    monkeypatch.setattr(replay, "open_worker", open_nothing)
    refused = kehu("replay", "customer", "bank-party").exception
    assert isinstance(refused, Failed)
    assert refused.cause == f"The projection was not rebuilt: {told}"
    assert refused.remedy == replay.AGAIN


def test_psql_is_the_owner_of_a_schema_and_keeps_the_password_out_of_the_arguments(
    kehu: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[Any] = []
    monkeypatch.setattr(os, "execv", lambda *given: became.append(given))
    monkeypatch.setenv("PGPASSWORD", "")
    assert kehu("psql", "--as", "customer", "-c", "SELECT 1").exit_code == 0
    roles = json.loads((tmp_path / "secrets" / "passwords.json").read_text())["roles"]
    ((program, arguments),) = became
    assert program.name == "psql"
    assert arguments[1:] == ["postgresql://kehu_customer_owner@127.0.0.1:15432/kehu", "-c", "SELECT 1"]
    assert os.environ["PGPASSWORD"] == roles["customer"]["owner"]


def test_a_dead_letter_is_not_settled_without_a_reason(kehu: Callable[..., Result]) -> None:
    assert kehu("dead-letters", "skip", "customer", FakeApi.letter["dead_letter_id"]).exit_code == 2
    assert FakeApi.calls == []


@pytest.mark.parametrize(
    ("arguments", "answer", "code", "applied"),
    [((), "n\n", 1, False), ((), "y\n", 0, True), (("--yes",), "", 0, True), ((), "", 1, False)],
)
def test_topics_are_changed_only_when_the_plan_was_agreed_to(
    kehu: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    answer: str,
    code: int,
    applied: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    change = topics.Change("kehu.new.v1", "create with 6 partitions")
    done: list[str] = []

    async def plan(_: str) -> list[topics.Change]:
        return [change]

    async def apply(bootstrap: str) -> list[topics.Change]:
        done.append(bootstrap)
        return [change]

    monkeypatch.setattr(topics, "plan_topics", plan)
    monkeypatch.setattr(topics, "apply_topics", apply)
    told = kehu("topics", "apply", *arguments, answer=answer)
    assert told.exit_code == code
    assert "kehu.new.v1: create with 6 partitions" in told.output
    assert bool(done) == applied


def test_what_needs_a_person_is_told_and_nothing_else_is_done(
    kehu: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def plan(_: str) -> list[topics.Change]:
        return [topics.Change("kehu.new.v1", "has 6 partitions, should have 12", applicable=False)]

    monkeypatch.setattr(topics, "plan_topics", plan)
    told = kehu("topics", "apply")
    assert told.exit_code == 1
    assert "needs a person" in told.output
