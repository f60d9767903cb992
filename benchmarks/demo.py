"""The main job on the embedded default against its limit: 60 seconds for an office of 60 people and two years.

Run as ``python -m benchmarks.demo``; the folder is temporary. The limit is stated for two cores.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT_S = 60.0


def main() -> None:
    """Run the demonstration as a user would and compare its time with the limit."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "jianheng", "demo", "--json", "--folder", str(Path(folder, "demo"))]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    rows = sum(source["counts"]["inserted"] for source in told["sync"])
    entries = sum(run["added"] for run in told["score"])
    assert rows > 100_000, "the demonstration must be of the stated size"
    assert entries > 100_000, "the demonstration must be of the stated size"
    seconds = sum(told["seconds"].values())
    for step, taken in told["seconds"].items():
        print(f"{step:16} {taken:6.1f} s")
    print(f"{rows} records, {entries} ledger lines, {seconds:.1f} s of {LIMIT_S:.0f} s")
    ratio = seconds / LIMIT_S
    print(f"bench demo ratio={ratio:.2f} target=1.00 {'ok' if ratio <= 1 else 'short'}")


if __name__ == "__main__":
    main()
