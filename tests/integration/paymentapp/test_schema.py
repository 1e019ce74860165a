"""The sample service's releases on each other's schema, and its flawed migrations."""

import os
from pathlib import Path

import pytest
import yaml

from examples.paymentapp.make_repository import RELEASES, make_repository, tag_flawed
from tests.integration.paymentapp.service import Databases, Service, bearer, migrate, migrated, rows
from tminus.adapters.git.git_releases import GitReleases
from tminus.plan.load import load_plan

pytestmark = pytest.mark.integration


def test_the_repository_is_the_same_wherever_it_is_made(tmp_path: Path) -> None:
    first = make_repository(tmp_path / "first")
    assert make_repository(tmp_path / "second") == first
    assert list(first) == list(RELEASES)
    flawed = [tag_flawed(tmp_path / name, "broken-expand", "v1.3.0") for name in ("first", "second")]
    assert flawed[0] == flawed[1]
    releases = GitReleases(tmp_path / "first", {"PATH": os.environ["PATH"]})
    for tag, commit in {**first, "v1.3.0": flawed[0]}.items():
        reading = releases.read_tag(tag)
        assert (reading.commit, reading.annotated) == (commit, True)
    assert releases.dirty_paths() == ()


def test_a_repository_is_not_made_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("", encoding="utf-8")
    with pytest.raises(FileExistsError):
        make_repository(tmp_path)


def test_every_release_has_a_plan_that_loads_and_is_yaml_as_it_is_meant(trees: dict[str, Path]) -> None:
    for name, tree in trees.items():
        load_plan(tree / "launch.yaml")
        whole = yaml.safe_load((tree / "launch.yaml").read_text(encoding="utf-8"))
        migrations = whole["database"]["migrations"]
        versions = {path.stem for path in (tree / "migrations" / "versions").glob("*.py")}
        named = {migrations[key].split()[-1] for key in ("expand", "contract") if key in migrations}
        assert named <= versions
        assert ("contract" in migrations) == (name in ("v1.1.0", "v1.2.0"))
        assert "{version}" in whole["database"]["questions"]["declined"]["sql"]


def test_both_releases_work_on_the_expanded_schema_and_read_each_other(
    trees: dict[str, Path], own: Service
) -> None:
    shop, url = own, own.database
    token = shop.login()
    shop.post("/payments/process", {"amount": "1.10"}, token, "before")
    migrated(trees["v1.1.0"], url, "expand_1_1_0")
    migrated(trees["v1.1.0"], url, "expand_1_1_0")
    with Service(trees["v1.1.0"], url, slot="green") as newer:
        assert newer.post("/payments/process", {"amount": "2.20"}, token, "newer")[0] == 200
        assert shop.post("/payments/process", {"amount": "3.30"}, token, "older")[0] == 200
        for service in (shop, newer):
            assert service.get("/dashboard", token)[1]["paid"] == "6.60"
        assert shop.post("/payments/process", {"amount": "2.20"}, token, "newer")[1]["replayed"]
        assert newer.post("/payments/process", {"amount": "3.30"}, token, "older")[1]["replayed"]
    assert rows(url, "SELECT count(*) FROM payments WHERE amount * 100 <> amount_cents") == [(0,)]


def test_the_contracted_schema_serves_the_newer_release_only(
    trees: dict[str, Path], databases: Databases
) -> None:
    url = databases.at("expand_1_1_0")
    with Service(trees["v1.0.0"], url) as shop, Service(trees["v1.1.0"], url, slot="green") as newer:
        assert shop.post("/payments/process", {"amount": 1})[0] == 200
        migrated(trees["v1.1.0"], url, "contract_1_1_0")
        assert newer.post("/payments/process", {"amount": 1})[0] == 200
        assert shop.post("/payments/process", {"amount": 1})[0] == 500


def test_an_expand_that_is_none_breaks_the_stable_version(
    trees: dict[str, Path], databases: Databases
) -> None:
    url = databases.at("expand_1_1_0")
    with Service(trees["v1.1.0"], url) as stable:
        token = stable.login()
        migrated(trees["broken-expand"], url, "expand_1_3_0")
        with Service(trees["broken-expand"], url) as candidate:
            assert candidate.get("/dashboard", token)[0] == 200
        assert stable.ask("GET", "/dashboard", headers=bearer(token))[0] == 500


def test_an_expand_that_fails_half_way_leaves_the_stable_version_working(
    trees: dict[str, Path], databases: Databases
) -> None:
    url = databases.at("expand_1_1_0")
    with Service(trees["v1.1.0"], url) as stable:
        assert stable.post("/payments/process", {"amount": 1})[0] == 200
        assert migrate(trees["failing-expand"], url, "expand_1_3_1").returncode != 0
        assert stable.post("/payments/process", {"amount": 1})[0] == 200
    columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'payments'"
    assert rows(url, f"{columns} AND column_name = 'note'") == [(1,)], "half of it is there"
    assert rows(url, "SELECT version_num FROM alembic_version") == [("contract_1_1_0",)]


def test_an_expand_that_waits_for_a_lock_gives_up_by_the_limit_it_is_given(
    trees: dict[str, Path], databases: Databases
) -> None:
    url = databases.at("contract_1_1_0")
    with Service(trees["v1.1.0"], url) as stable:
        done = migrate(trees["waiting-expand"], url, "expand_1_3_2", PGOPTIONS="-c lock_timeout=300ms")
        assert done.returncode != 0
        assert "lock timeout" in done.stderr
        assert stable.post("/payments/process", {"amount": 1})[0] == 200
    assert rows(url, "SELECT version_num FROM alembic_version") == [("contract_1_1_0",)]
