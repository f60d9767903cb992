"""The contract between Jianheng and the adapters and packs that plug in, version 1.

Everything a vendor needs stands here: what a source and a target must offer, what they are
given, and the values that pass between. pluggy finds the factories (:mod:`jianheng.hookspecs`);
it never moves data. Text that adapters produce reaches people through codes
(:mod:`jianheng.errors`), so it can be Chinese or English. What may change within a version, and for how
long a former one is served: docs/contract.md.
"""

from jianheng.contract.adapter import (
    AdapterContext,
    Batch,
    Countable,
    Finding,
    Keyed,
    LiveCount,
    Log,
    Mode,
    Ranged,
    Row,
    Secret,
    Source,
    SourceFactory,
    Stream,
    Target,
    TargetFactory,
)
from jianheng.contract.publication import (
    CaseText,
    DueCase,
    Entry,
    EntryState,
    IndicatorValue,
    Notice,
    NoticeAbout,
    OutcomeState,
    PersonScore,
    Publication,
    PublicationKind,
    Receipt,
    RuleText,
)

__all__ = [
    "CONTRACT_VERSION",
    "SUPPORTED_CONTRACTS",
    "AdapterContext",
    "Batch",
    "CaseText",
    "Countable",
    "DueCase",
    "Entry",
    "EntryState",
    "Finding",
    "IndicatorValue",
    "Keyed",
    "LiveCount",
    "Log",
    "Mode",
    "Notice",
    "NoticeAbout",
    "OutcomeState",
    "PersonScore",
    "Publication",
    "PublicationKind",
    "Ranged",
    "Receipt",
    "Row",
    "RuleText",
    "Secret",
    "Source",
    "SourceFactory",
    "Stream",
    "Target",
    "TargetFactory",
]

CONTRACT_VERSION = 1
SUPPORTED_CONTRACTS = (1,)
