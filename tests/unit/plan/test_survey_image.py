"""What a Dockerfile and a compose file say, and the plan that is written from it."""

from pathlib import Path

import pytest

from tminus.cli.init import write_plan
from tminus.cli.survey_image import Packed, survey_image
from tminus.domain.plan.image import Container
from tminus.plan.load import load_plan

COMPOSE = """\
name: Shop_App
services:
  web:
    build: {context: ./app, dockerfile: Dockerfile.web, target: prod}
    image: registry.example.com/team/shop:latest
    command: serve --port 8000
    ports: ["127.0.0.1:9090:8000"]
    environment:
      LOG_LEVEL: info
      DATABASE_URL: postgres://shop:pw@db/shop
      API_TOKEN:
      REGION: ${REGION:-eu}
      HOST_NAME: ${HOST_NAME}
      PORT: 8000
    healthcheck: {test: ["CMD", "curl", "-f", "http://localhost:8000/ready"]}
    deploy: {replicas: 4, resources: {limits: {cpus: "0.50", memory: 256M}}}
    volumes: [data:/data]
  worker:
    build: {context: ./app, dockerfile: Dockerfile.web, target: prod}
    command: work
  docs:
    build: ./docs
  db: {image: postgres:16}
"""


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def packed(root: Path, files: dict[str, str]) -> Packed:
    found = survey_image(plant(root, files), "shop")
    assert found is not None
    return found


@pytest.mark.req("R4")
def test_a_compose_file_becomes_a_plan_that_loads(tmp_path: Path) -> None:
    dockerfile = 'FROM x\nENTRYPOINT ["/bin/shop"]\n'
    plant(tmp_path, {"compose.yaml": COMPOSE, "app/Dockerfile.web": dockerfile})
    found = write_plan(tmp_path, {})
    plan = load_plan(tmp_path / "launch.yaml").plan
    assert plan.build.image is not None
    assert plan.build.image.repository == "registry.example.com/team/shop"
    assert (plan.build.image.context, plan.build.image.file, plan.build.image.target) == (
        "app",
        "Dockerfile.web",
        "prod",
    )
    assert plan.run.container == Container(8000, 256 * 1024**2, 500, network="shop_app_default")
    assert plan.run.command == ("/bin/shop", "serve", "--port", "8000")
    assert [(each.name, each.command) for each in plan.run.workers] == [("worker", ("/bin/shop", "work"))]
    assert plan.run.environment == (("LOG_LEVEL", "info"), ("REGION", "eu"))
    assert [name for name, _ in plan.run.secrets] == ["DATABASE_URL", "API_TOKEN", "HOST_NAME"]
    assert (plan.run.health_path, plan.run.instances, plan.listen.port) == ("/ready", 4, 9090)
    assert found.remarks[:3] == (
        "db of compose.yaml: not launched; start them with `docker compose up --detach db`",
        "docs of compose.yaml: another image, which needs a plan of its own",
        "volumes of web in compose.yaml: not taken over; containers of a slot keep nothing",
    )
    assert "pw@" not in (tmp_path / "launch.yaml").read_text(encoding="utf-8")


def test_a_dockerfile_alone_is_enough(tmp_path: Path) -> None:
    dockerfile = "FROM x\nEXPOSE 3000\nHEALTHCHECK CMD curl -f http://127.0.0.1:3000/up || exit 1\n"
    plant(tmp_path, {"Dockerfile": dockerfile})
    write_plan(tmp_path, {})
    plan = load_plan(tmp_path / "launch.yaml").plan
    assert plan.run.container == Container(3000)
    assert (plan.run.command, plan.run.health_path) == ((), "/up")
    assert plan.build.image is not None
    assert plan.build.image.repository.startswith("127.0.0.1:5000/")


def test_what_nobody_says_is_said_to_be_a_guess(tmp_path: Path) -> None:
    found = packed(tmp_path, {"Dockerfile": "FROM x"})
    assert (found.port, found.port_why) == (8000, "nothing says where the program listens: check this")
    assert found.remarks == (
        "no registry is named; 127.0.0.1:5000 is one on this machine: start it, or name yours",
    )


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ('["8080:80"]', (8080, 80)),
        ('["80"]', (0, 80)),
        ('["0.0.0.0:8080:80/tcp"]', (8080, 80)),
        ("[{target: 80, published: 8080}]", (8080, 80)),
    ],
)
def test_every_form_of_ports_is_read(tmp_path: Path, ports: str, expected: tuple[int, int]) -> None:
    found = packed(tmp_path, {"compose.yml": f"services: {{web: {{build: ., ports: {ports}}}}}"})
    assert (found.listen, found.port) == expected


def test_a_compose_file_that_builds_nothing_packs_nothing(tmp_path: Path) -> None:
    assert survey_image(plant(tmp_path, {"compose.yaml": "services: {db: {image: x}}"}), "shop") is None
    assert survey_image(plant(tmp_path, {"compose.yaml": "["}), "shop") is None
