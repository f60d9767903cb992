"""Where each page of the report lies and what its parts are called: stable, safe on any file system."""

import hashlib
import re
from functools import lru_cache

from jianheng.contract import RuleText

_SAFE = re.compile(r"[0-9a-z][0-9a-z_-]{0,59}")


@lru_cache(maxsize=65_536)
def slug(key: str) -> str:
    """Return a key as a part of a file name: itself where that is safe, otherwise a digest."""
    return (
        key if _SAFE.fullmatch(key) else "_" + hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:16]
    )


def person_page(person_key: str) -> str:
    """Return the path of a person's page."""
    return f"people/p-{slug(person_key)}.html"


def department_page(department: str) -> str:
    """Return the path of a department's page."""
    return f"departments/d-{slug(department)}.html"


def case_page(case_no: str) -> str:
    """Return the path of a case's page."""
    return f"cases/c-{slug(case_no)}.html"


def rule_anchor(rule: RuleText) -> str:
    """Return the name a rule, as its text stood from a day on, has on the page of rules."""
    return f"r-{slug(rule.rule_id if rule.since is None else f'{rule.rule_id} {rule.since.isoformat()}')}"


def entry_anchor(entry_id: str) -> str:
    """Return the name an entry has on its person's page."""
    return f"e-{slug(entry_id)}"
