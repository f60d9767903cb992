import re
import string
import tomllib
from pathlib import Path

import pytest
import source_fakes  # noqa: F401 -- adds the adapters' texts

import jianheng_adapters
from jianheng.messages import LANGUAGES, PARTS, entry
from jianheng_adapters.mapping.load import _WANTED

ROOT = Path(jianheng_adapters.__file__).parent
SHARED = {"web_service": ("archive", "web"), "relational": ("ucs", "sql")}
"""What several adapters share, and what the codes begin with that it tells its errors by."""
FOLDERS = (
    "mapping",
    "unified_case_sql",
    "archive_http",
    "table_file",
    "personnel_workbook",
    "json_api",
    "soap_service",
    "sql_query",
    "drop_folder",
    "singer_tap",
    *SHARED,
)
RAISED = re.compile(r'(?:StopError|RetryError|problem|text)\(\s*"([a-z-]+)"')
IN_FAMILY = re.compile(r'(?:StopError|RetryError)\(\s*f"\{[a-z.]*codes\}-([a-z-]+|\{kind\})"')
KINDS = {"unreachable", "slow", "unavailable"}
NEVER_OF_THE_ARCHIVE = {"archive-unreachable", "archive-slow", "archive-host-refused"}
"""It tells all that passes by one code, and follows no links."""
DECLARED = {
    code
    for folder in FOLDERS
    if (file := ROOT / folder / "messages.toml").exists()
    for code in tomllib.loads(file.read_text(encoding="utf-8"))
}
USED = {
    code
    for folder in FOLDERS
    for file in (ROOT / folder).glob("*.py")
    for code in RAISED.findall(file.read_text(encoding="utf-8"))
}


def family(folder: str) -> set[str]:
    """The ends of the codes that a shared folder tells its errors by."""
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / folder).glob("*.py")]
    found = {end for told in texts for end in IN_FAMILY.findall(told)}
    return found - {"{kind}"} | (KINDS if "{kind}" in found else set())


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_code_has_a_text_and_every_text_a_code():
    told = {f"mapping-wants-{kind}" for kind in {*_WANTED.values(), "other", "choice"}}
    shared = {
        f"{begin}-{end}" for folder, begins in SHARED.items() for begin in begins for end in family(folder)
    }
    assert USED | told | (shared - NEVER_OF_THE_ARCHIVE) == DECLARED


@pytest.mark.parametrize("code", sorted(DECLARED))
def test_texts_are_whole_in_both_languages(code):
    found = entry(code)
    assert set(found) == set(LANGUAGES)
    chinese, english = found["zh"], found["en"]
    if isinstance(chinese, str):
        assert names(chinese) == names(english)
        return
    assert set(chinese) == set(english) == set(PARTS)
    for part in PARTS:
        assert names(chinese[part]) == names(english[part]), part
