"""tests/system/lib/by_hand.py - what ./test gives to scripts, for those that are called by hand.

Imported before harness, which takes the environment that begin() makes.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDER = "ORDERLOG_BY_HAND_FOLDER"


def begin(name):
    """A folder of its own, the build that ./test made, and Python with Kafka's client; nothing where ./test calls."""
    if "ORDERLOG_TEST_DIR" in os.environ:
        return
    build = os.environ.get("ORDERLOG_BUILD", ROOT / ".orderlog/test-plain")
    folder = tempfile.mkdtemp(prefix=f"{name}-", dir=ROOT / ".orderlog")
    python = subprocess.run([ROOT / "deploy/local/cache.sh", "python"], check=True, text=True,
                            stdout=subprocess.PIPE).stdout.strip()
    os.environ.update({"ORDERLOG": str(Path(build) / "orderlog"), "ORDERLOG_PYTHON": python,
                       "ORDERLOG_TEST_DIR": folder, "ORDERLOG_KAFKA_BROKERS": "none",
                       "ORDERLOG_PG_DSN": "none", "ORDERLOG_TOPIC_PREFIX": name, FOLDER: folder})


def clean(failures):
    """When the servers are stopped: the folder goes, or after a failure all but their data."""
    if FOLDER in os.environ:
        folder = Path(os.environ[FOLDER])
        shutil.rmtree(folder / "servers" if failures else folder, ignore_errors=True)
        if failures:
            print(f"  | logs: {folder}")
