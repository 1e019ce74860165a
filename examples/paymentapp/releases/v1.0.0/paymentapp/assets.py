"""Static files whose names carry their content's hash: each release has its own and no other's."""

import hashlib
from pathlib import Path

from paymentapp.release import RELEASE


class Assets:
    """The script of this release, and the page that names it."""

    def __init__(self) -> None:
        template = (Path(__file__).parent / "static" / "app.js").read_text(encoding="utf-8")
        self.script = template.replace("@RELEASE@", RELEASE).encode()
        self.script_path = f"/assets/app.{hashlib.sha256(self.script).hexdigest()[:12]}.js"
        self.page = (
            f"<!doctype html>\n<title>paymentapp</title>\n<h1>paymentapp {RELEASE}</h1>\n"
            f'<script src="{self.script_path}"></script>\n'
        ).encode()
