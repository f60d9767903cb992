"""All policy packs that ship, loaded together in a process that has loaded none, against their limit of 2 seconds.

Run as ``python -m benchmarks.load_packs``. Plugins are found first, as every command does; what is timed is reading,
laying together, checking and compiling each pack with its chain. The best of three processes.
"""

import json
import subprocess
import sys
import time

from jianheng.registry import Registry, discover
from jianheng.scoring.law.policy import load_policy

LIMIT_S = 2.0
ONCE = "--once"


def load_all(registry: Registry) -> dict[str, str]:
    """Load every pack and return their versions by id."""
    folders, calendars = registry.policy_folders(), registry.calendar_files()
    return {
        name: load_policy(folder, folders.get, calendars=calendars).version
        for name, folder in folders.items()
    }


def once() -> None:
    """Load all packs and print how long it took, and the versions."""
    registry = Registry(discover())
    begun = time.perf_counter()
    versions = load_all(registry)
    print(json.dumps({"seconds": time.perf_counter() - begun, "versions": versions}))


def main() -> None:
    """Load all packs in three processes and compare the best time with the limit."""
    words = [sys.executable, "-m", "benchmarks.load_packs", ONCE]
    told = [
        json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout) for _ in range(3)
    ]
    first, *others = [each["versions"] for each in told]
    assert all(each == first for each in others), "the same files must give the same laws"
    assert len(set(first.values())) == len(first), "each pack is a law of its own"
    seconds = min(each["seconds"] for each in told)
    ratio = seconds / LIMIT_S
    print(f"{len(first)} packs, {seconds:.2f} s of {LIMIT_S:.0f} s")
    print(f"bench load_packs ratio={ratio:.2f} target=1.00 {'ok' if ratio <= 1 else 'short'}")


if __name__ == "__main__":
    once() if ONCE in sys.argv else main()
