"""What people read: Chinese unless asked, four parts, a stable code, and nothing that hides the error."""

import string
import tomllib
from pathlib import Path

import pytest

from jianheng import messages
from jianheng.errors import (
    AskError,
    FaultsError,
    JianhengError,
    Problem,
    RetryError,
    RowError,
    StopError,
    problem,
)
from jianheng.messages import add_texts, codes, entry, language, message, set_language, speaking, text


def test_chinese_is_spoken_until_somebody_asks_for_english():
    assert language() == "zh"
    set_language("en")
    assert language() == "en"


def test_another_test_does_not_hear_the_language_of_the_one_before():
    assert language() == "zh"


def test_a_language_is_spoken_for_a_while_and_given_back_also_after_an_error():
    with speaking("en"):
        assert language() == "en"
    with pytest.raises(KeyError), speaking("en"):
        text("nobody-knows-this")
    assert language() == "zh"


def test_an_error_says_what_where_why_and_what_to_do():
    told = message("score-no-facts", {"office": "990101"})
    assert told.code == "score-no-facts"
    assert "990101" in told.what
    assert all((told.what, told.where, told.why, told.do))
    assert told.as_json() == {
        "code": told.code,
        "what": told.what,
        "where": told.where,
        "why": told.why,
        "do": told.do,
    }
    lines = told.as_text().splitlines()
    assert lines[0] == f"[score-no-facts] {told.what}"
    assert [line.strip().split(":")[0] for line in lines[1:]] == ["位置", "影响", "处理"]
    with speaking("en"):
        lines = message("score-no-facts", {"office": "990101"}).as_text().splitlines()
    assert [line.strip().split(":")[0] for line in lines[1:]] == ["where", "why", "do"]


def fields_of(entry_in_one_language):
    parts = (
        entry_in_one_language.values() if isinstance(entry_in_one_language, dict) else [entry_in_one_language]
    )
    named = {name for part in parts for _, name, _, _ in string.Formatter().parse(part) if name}
    return {name.removesuffix("_name") for name in named}  # English names an entity by name, Chinese by label


def test_both_languages_tell_the_same_fields():
    assert [code for code in codes() if fields_of(entry(code)["zh"]) != fields_of(entry(code)["en"])] == []
    assert [code for code in codes() if type(entry(code)["zh"]) is not type(entry(code)["en"])] == []


def test_every_text_of_core_is_found_by_its_code():
    written = {}
    for file in Path(messages.__file__).parent.glob("*.toml"):
        written |= tomllib.loads(file.read_text(encoding="utf-8"))
    assert {code: entry(code) for code in messages._shipped()} == written


def test_a_missing_field_does_not_hide_the_error():
    assert "{office}" in message("score-no-facts", {}).what


def test_values_are_not_taken_for_fields():
    assert "{x} {" in message("score-no-facts", {"office": "{x} {"}).what


def test_an_error_without_a_text_says_what_it_was_given():
    assert message("nobody-knows-this", {"a": 1, "b": "二"}).what == "a=1; b=二"


def test_a_label_without_a_text_is_a_fault_of_the_program():
    with pytest.raises(KeyError):
        text("nobody-knows-this")


def test_an_adapter_brings_its_texts_but_never_replaces_those_of_core(tmp_path, monkeypatch):
    monkeypatch.setattr(messages, "_added", {})
    core = text("state-final")
    file = tmp_path / "messages.toml"
    file.write_text(
        '[state-final]\nzh = "冒充"\nen = "false"\n[state-own]\nzh = "自有"\nen = "own"\n', encoding="utf-8"
    )
    add_texts(file)
    assert (text("state-final"), text("state-own")) == (core, "自有")
    assert "state-own" in codes()


@pytest.mark.parametrize(
    ("error", "recovery", "exit_code"),
    [
        (JianhengError, "stop", 1),
        (StopError, "stop", 2),
        (RetryError, "retry", 3),
        (RowError, "quarantine", 4),
        (AskError, "ask", 5),
    ],
)
def test_an_error_knows_what_to_do_about_it(error, recovery, exit_code):
    raised = error("score-no-facts", office="1")
    assert (raised.recovery, raised.exit_code, raised.code) == (recovery, exit_code, "score-no-facts")
    assert raised.problems == (Problem("score-no-facts", {"office": "1"}),)


def test_faults_are_told_together_in_the_order_they_were_found():
    found = [problem("score-no-facts", office="1"), problem("period-unknown", name="x")]
    faults = FaultsError(found)
    assert (faults.problems, faults.code) == (tuple(found), "score-no-facts")
    assert [line for line in str(faults).splitlines() if line.startswith("[")] == [
        f"[{each.code}] {each.message().what}" for each in found
    ]
    with pytest.raises(ValueError, match="at least one"):
        FaultsError([])
