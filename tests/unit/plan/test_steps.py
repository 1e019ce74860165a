"""What the parts of a plan beside its requests become: database, workers, one-off commands, warming."""

import pytest

from tests.unit.plan.plans import loaded, plan_with
from tminus.domain.plan.database import Backups, Database, Integrity, Migrations, Question
from tminus.domain.plan.limit import Consequence, Limit, Metric, Trigger
from tminus.domain.plan.plan import ArtifactSmoke, OneOff, Resources, Warming, Worker
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.domain.plan.times import DAY_MS, HOUR_MS, MINUTE_MS

URL = SecretRef(SecretSource.ENV, "DATABASE_URL")
QUESTION = (
    "database: {url: env:DATABASE_URL, questions: {declined: {sql: \"select 0, 0 where '{slot}' > ''\"}}}\n"
)


def test_a_database_that_says_little_gets_the_defaults_of_the_domain() -> None:
    assert plan_with("database: {url: env:DATABASE_URL}\n").database == Database(URL)


def test_a_database_is_read_whole() -> None:
    plan = plan_with(
        "database:\n"
        "  url: env:DATABASE_URL\n"
        "  migrations: {expand: 'alembic upgrade \"expand@head\"', contract: [./contract, 1],\n"
        "               deadline: 20m, lock_timeout: 1s}\n"
        "  backups: {every: 2h, keep: 2d, restore_test: 1d, deadline: 5m, oldest: 3h}\n"
        "  integrity: [{name: sums, sql: 'select 0;', expect: 0}]\n"
        "  questions: {declined: {sql: \"select 0, 0 where '{version}' > ''\", every: 2s, within: 1s}}\n"
    )
    assert plan.database == Database(
        URL,
        Migrations(("alembic", "upgrade", "expand@head"), ("./contract", "1"), 20 * MINUTE_MS, 1_000),
        Backups(2 * HOUR_MS, 2 * DAY_MS, DAY_MS, 5 * MINUTE_MS, 3 * HOUR_MS),
        (Integrity("sums", "select 0", "0"),),
        (Question("declined", "select 0, 0 where '{version}' > ''", 2_000, 1_000),),
    )


def test_a_contract_migration_needs_no_expand_migration() -> None:
    database = plan_with("database: {url: env:A, migrations: {contract: ./contract}}\n").database
    assert database is not None
    assert database.migrations == Migrations((), ("./contract",))


def test_workers_and_one_off_commands_belong_to_a_slot() -> None:
    run = plan_with(
        "  workers: {settle: {command: ./worker}, mail: {command: ./mail -v, instances: 2}}\n"
        "  before: [{name: the index, command: ./index}, {name: b, command: ./b, deadline: 5s}]\n"
    ).run
    assert run.workers == (Worker("settle", ("./worker",)), Worker("mail", ("./mail", "-v"), 2))
    assert run.one_offs == (OneOff("the index", ("./index",)), OneOff("b", ("./b",), 5_000))


def test_warming_resources_sticky_clients_and_assets_land_in_their_places() -> None:
    plan = plan_with(
        'warm: {paths: [/, "/app.js?v=1"], edge: "https://cdn.example.com/eu/", deadline: 1m}\n'
        "resources: {disk_free: 20 %, memory_free: 0.5%}\nsticky: __Host-slot\nassets: [/assets, /img/]\n"
    )
    assert plan.warming == Warming(("/", "/app.js?v=1"), "https://cdn.example.com/eu", MINUTE_MS)
    assert plan.resources == Resources(200_000, 5_000)
    assert (plan.sticky_cookie, plan.asset_paths) == ("__Host-slot", ("/assets", "/img/"))


def test_a_limit_on_a_question_takes_the_place_of_a_metric() -> None:
    plan = plan_with(
        f"{QUESTION}triggers:\n"
        "  - {question: {declined: 15 %}, min_requests: 30, name: declined payments, then: hold}\n"
        "verify: {for: 5s, targets: [{question: {declined: 0.5 %}}]}\n"
    )
    limit = Limit("declined payments", Metric.QUESTION, 150_000, min_requests=30, question="declined")
    assert plan.triggers == (Trigger(limit, Consequence.HOLD),)
    assert plan.targets == (Limit("declined", Metric.QUESTION, 5_000, question="declined"),)


def test_what_the_query_of_a_question_decides_is_no_choice_of_its_limit() -> None:
    more = (
        "triggers: [{question: {declined: 1 %}}]\nverify: {for: 5s, targets: [{question: {declined: 1 %}}]}\n"
    )
    paths = {each.path for each in loaded(QUESTION + more).choices}
    assert {path for path in paths if path.startswith(("triggers[", "verify.targets["))} == {
        "triggers[0].min_requests",
        "triggers[0].then",
        "verify.targets[0].min_requests",
    }


def test_the_digest_covers_the_database() -> None:
    base = loaded("database: {url: env:A}\n").digest
    assert loaded("database: {url: env:B}\n").digest != base
    assert loaded("database: {url: env:A, backups: {keep: 2d}}\n").digest != base


@pytest.mark.parametrize(
    ("more", "smoke"),
    [
        ("", ArtifactSmoke.SUITE),
        ("database: {url: env:DATABASE_URL}\n", ArtifactSmoke.OFF),
        ("database: {url: env:DATABASE_URL}\nbuild: {smoke: suite}\n", ArtifactSmoke.SUITE),
        ("build: {smoke: off}\n", ArtifactSmoke.OFF),
        ("build: {smoke: health}\n", ArtifactSmoke.HEALTH),
    ],
)
def test_an_artifact_is_smoked_alone_unless_there_is_a_database_that_it_might_not_fit(
    more: str, smoke: ArtifactSmoke
) -> None:
    assert plan_with(more).build.smoke is smoke


def test_what_differs_for_the_artifact_alone_is_read_beside_what_does_not() -> None:
    plan = plan_with("build: {smoke_env: {LEVEL: debug}, smoke_secrets: {DATABASE_URL: env:SMOKE}}\n")
    assert plan.build.smoke_environment == (("LEVEL", "debug"),)
    assert plan.build.smoke_secrets == (("DATABASE_URL", SecretRef(SecretSource.ENV, "SMOKE")),)


def test_a_release_may_be_named_by_its_commit_or_branch() -> None:
    source = plan_with("source: {commit: 0123456, branch: release/1}\n").source
    assert (source.tag, source.commit, source.branch, source.makes_tag) == (
        "v1.1.0",
        "0123456",
        "release/1",
        True,
    )
    assert not plan_with().source.makes_tag
