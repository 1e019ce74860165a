"""What a repository says about the service in it."""

from pathlib import Path

import pytest

from tminus.cli.survey import Guess, Tags, survey

FASTAPI = "from fastapi import FastAPI\n\napp = FastAPI()\n\n@app.get('/health')\ndef health(): ...\n"
FLASK = "from flask import Flask\nweb: Flask = Flask(__name__)\n"
ASGI = "async def app(scope, receive, send):\n    ...\n"


def plant(directory: Path, files: dict[str, str]) -> Path:
    root = directory / "Payment App"
    for name, content in {**files, "node_modules/x/app.py": FLASK}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("files", "command", "why"),
    [
        (
            {"shop/main.py": FASTAPI},
            "python3 -m uvicorn shop.main:app --host 127.0.0.1 --port {port}",
            "FastAPI `app` in shop/main.py",
        ),
        (
            {"src/shop/__init__.py": FASTAPI},
            "python3 -m uvicorn shop:app --app-dir src --host 127.0.0.1 --port {port}",
            "FastAPI `app` in src/shop/__init__.py",
        ),
        (
            {"app.py": ASGI},
            "python3 -m uvicorn app:app --host 127.0.0.1 --port {port}",
            "the ASGI application `app` in app.py",
        ),
        (
            {"app.py": FLASK},
            "python3 -m flask --app app.py:web run --port {port}",
            "Flask `web` in app.py; take gunicorn for production",
        ),
        (
            {"app.py": FLASK, "requirements.txt": "Flask\ngunicorn==23\n"},
            "python3 -m gunicorn --bind 127.0.0.1:{port} app:web",
            "Flask `web` in app.py",
        ),
        (
            {"manage.py": "", "site/asgi.py": "", "pyproject.toml": "[project]\ndependencies=['uvicorn']\n"},
            "python3 -m uvicorn site.asgi:application --host 127.0.0.1 --port {port}",
            "Django, served by uvicorn",
        ),
        (
            {"manage.py": "", "site/wsgi.py": ""},
            "python3 manage.py runserver 127.0.0.1:{port} --noreload",
            "Django; take uvicorn or gunicorn for production",
        ),
        (
            {"package.json": '{"scripts": {"start": "node server.js"}}'},
            "npm start",
            "the script `start` in package.json; it must read PORT",
        ),
        (
            {"Procfile": "release: x\nweb: gunicorn shop:app -b :$PORT\n", "app.py": FASTAPI},
            "gunicorn shop:app -b :{port}",
            "the line `web` of the Procfile",
        ),
        (
            {"Procfile": "web: HOST=$HOSTNAME ./serve ${PORT:-8000}\n"},
            '["sh", "-c", "exec HOST=$HOSTNAME ./serve {port}"]',
            "the line `web` of the Procfile",
        ),
        (
            {"hello/__main__.py": "import os\nport = os.environ['PORT']\n"},
            "python3 -m hello",
            "hello/__main__.py reads PORT",
        ),
        (
            {"README": ""},
            "./serve --port {port}",
            "nothing was recognised: write here what starts your service",
        ),
    ],
)
def test_the_command_is_guessed_with_a_reason(
    tmp_path: Path, files: dict[str, str], command: str, why: str
) -> None:
    assert survey(plant(tmp_path, files), Tags()).command == Guess(command, why)


@pytest.mark.parametrize(
    ("tags", "files", "version", "why"),
    [
        (Tags("v1.2.3"), {}, "1.3.0", "the next minor version after v1.2.3"),
        (Tags("v1.2.3", is_head=True), {}, "1.2.3", "the checked-out commit is tagged v1.2.3"),
        (Tags(), {}, "0.1.0", "there is no tag such as v0.1.0 yet"),
        (
            Tags(),
            {"pyproject.toml": "[project]\nname='x'\nversion='2.0.0'\n"},
            "2.0.0",
            "the version in pyproject.toml; there is no tag such as v2.0.0 yet",
        ),
    ],
)
def test_the_version_is_the_next_one(
    tmp_path: Path, tags: Tags, files: dict[str, str], version: str, why: str
) -> None:
    assert survey(plant(tmp_path, files), tags).version == Guess(version, why)


def test_the_name_comes_from_the_project_or_the_folder(tmp_path: Path) -> None:
    assert survey(plant(tmp_path, {}), Tags()).service == Guess("payment-app", "the name of this folder")
    named = plant(tmp_path, {"package.json": '{"name": "@acme/Web_Shop"}'})
    assert survey(named, Tags()).service == Guess("web-shop", "the name in package.json")


def test_the_health_path_is_found_or_said_to_be_missing(tmp_path: Path) -> None:
    root = plant(tmp_path, {"a.go": 'mux.Handle("/readyz", ok)'})
    assert survey(root, Tags()).health == Guess("/readyz", "found in a.go")
    (root / "a.go").unlink()
    why = "no health path was found: add one that answers 200, or name another path"
    assert survey(root, Tags()).health == Guess("/healthz", why)


def test_what_is_seen_and_not_used_is_said(tmp_path: Path) -> None:
    assert survey(plant(tmp_path, {"Dockerfile": "FROM x"}), Tags()).remarks == (
        "no registry is named; 127.0.0.1:5000 is one on this machine: start it, or name yours",
        "this is not the top of a git repository; a launch needs one, with an annotated tag",
    )


def test_files_that_cannot_be_parsed_are_passed_over(tmp_path: Path) -> None:
    root = plant(tmp_path, {"pyproject.toml": "[", "package.json": "[", "requirements.txt": "\x00"})
    assert survey(root, Tags()).service.value == "payment-app"
