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
FOLDERS = ("mapping", "unified_case_sql", "archive_http", "table_file", "personnel_workbook")
RAISED = re.compile(r'(?:StopError|RetryError|problem|text)\(\s*"([a-z-]+)"')
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


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_code_has_a_text_and_every_text_a_code():
    told = {f"mapping-wants-{kind}" for kind in {*_WANTED.values(), "other", "choice"}}
    assert USED | told == DECLARED


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
