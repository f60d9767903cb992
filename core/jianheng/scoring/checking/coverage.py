"""Whether the worked examples show the law where it turns: each change around its day, each threshold from both sides.

It is judged by what the examples gave, not by what they are called. Only what the pack itself says is asked
for; what it inherits was shown where it was said.
"""

from collections.abc import Iterator, Sequence

from jianheng.errors import Problem
from jianheng.scoring.checking.coverage_changes import changes_not_shown
from jianheng.scoring.checking.coverage_thresholds import thresholds_not_shown
from jianheng.scoring.checking.example_world import Shown
from jianheng.scoring.law.layer_files import Written, read_pack
from jianheng.scoring.law.pack_files import StoredFiles
from jianheng.scoring.law.policy import Policy


def uncovered(policy: Policy, seen: Sequence[Shown]) -> Iterator[Problem]:
    """Yield every change and every threshold of the pack itself that no example shows."""
    own = said_by_itself(policy)
    yield from changes_not_shown(policy, own, seen)
    yield from thresholds_not_shown(policy, own, seen)


def said_by_itself(policy: Policy) -> Written:
    """Return what a pack says without what it inherits."""
    start = f"{policy.id}/"
    texts = {
        name.removeprefix(start): text for name, text in policy.sources.items() if name.startswith(start)
    }
    return read_pack(StoredFiles(policy.folder.name, texts))
