"""The build: compiles every source without writing anything down, then says what was built, and when."""

import json
import os
from pathlib import Path

from paymentapp.assets import Assets
from paymentapp.release import RELEASE


def main() -> None:
    sources = sorted(path for folder in ("paymentapp", "migrations") for path in Path(folder).rglob("*.py"))
    for source in sources:
        compile(source.read_bytes(), str(source), "exec")
    made = {
        "release": RELEASE,
        "sources": len(sources),
        "script": Assets().script_path,
        "commit_time": int(os.environ.get("SOURCE_DATE_EPOCH", "0")),
    }
    Path("build.json").write_text(json.dumps(made, sort_keys=True) + "\n", encoding="utf-8")
    print(f"built paymentapp {RELEASE} from {len(sources)} sources")


if __name__ == "__main__":
    main()
