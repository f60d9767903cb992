"""Catalogues taken over from the case system: as exported, in versions, refused when they are broken."""

import csv
import json
from pathlib import Path

import pytest

from jianheng.rules.catalogues import CATALOGUES
from jianheng.scoring.law.layer_files import CatalogueRow
from office_driver import jianheng

CODES = "DM,LBBM,FDM,MC,SM,SFSC\n0201101201000,0201,,批准（决定）逮捕,,N\n0201101201001,0201,0201101201000,批准逮捕,,N\n"
CARDS = (
    "card,card_name,tab,table,column,label,type\n0301,一审公诉,基本情况,TYYW_GG_AJJBXX,SLRQ,受理日期,date\n"
)
CARDS_XML = (
    '<cards><card code="0301" name="一审公诉"><tab name="基本情况">'
    '<item table="TYYW_GG_AJJBXX" column="SLRQ" label="受理日期" type="date"/></tab></card></cards>'
)


def take(folder: Path, content: str | bytes, *words: object, name: str = "export.csv"):
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    pack = folder / "pack"
    pack.mkdir(exist_ok=True)
    return jianheng("catalogue", "import", file, "--to", pack, "--since", "2026-01-01", "--json", *words)


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "pack" / "catalogues" / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_a_code_table_becomes_a_catalogue_that_packs_read(tmp_path):
    told = take(tmp_path, CODES).json()
    assert [(each["catalogue"], each["rows"], each["changed"]) for each in told["catalogues"]] == [
        ("classification", 2, True)
    ]
    found = [CatalogueRow(**row) for row in rows(tmp_path, "classification")]
    assert [(row.code, row.parent) for row in found] == [
        ("0201101201000", ""),
        ("0201101201001", "0201101201000"),
    ]
    assert "classification" in {name for names in CATALOGUES.values() for name in names}


def test_older_tools_write_gb_18030(tmp_path):
    take(tmp_path, CODES.encode("gb18030"))
    assert [row["name"] for row in rows(tmp_path, "classification")] == ["批准（决定）逮捕", "批准逮捕"]


def test_templates_are_a_catalogue_by_the_name_of_their_column_or_by_ours(tmp_path):
    take(tmp_path, "WSMBBH,WSMC\n100000030196,抗诉书\n100000030196,抗诉书\n")
    assert rows(tmp_path, "document_template") == [{"code": "100000030196", "parent": "", "name": "抗诉书"}]
    take(tmp_path, "code,parent,name\n1,,甲\n", "--name", "document_template")
    assert [row["code"] for row in rows(tmp_path, "document_template")] == ["1"]


def test_every_version_is_kept_and_the_same_content_is_none(tmp_path):
    first = take(tmp_path, CODES).json()["catalogues"][0]
    same = take(tmp_path, CODES).json()["catalogues"][0]
    second = take(tmp_path, CODES + "0201101202000,0201,,不批准逮捕,,N\n").json()["catalogues"][0]
    assert (same["changed"], same["version"]) == (False, first["version"])
    assert (second["changed"], second["added"], second["removed"]) == (True, 1, 0)
    index = rows(tmp_path, "versions/index")
    assert [(row["version"], row["since"], row["rows"]) for row in index] == [
        (first["version"], "2026-01-01", "2"),
        (second["version"], "2026-01-01", "3"),
    ]
    kept = tmp_path / "pack" / "catalogues" / "versions" / f"classification-{first['version']}.csv"
    assert kept.read_text(encoding="utf-8").count("\n") == 3


@pytest.mark.parametrize(("content", "name"), [(CARDS, "cards.csv"), (CARDS_XML, "cards.xml")])
def test_cards_are_a_catalogue_of_their_own_with_their_fields_beside(tmp_path, content, name):
    told = take(tmp_path, content, "--cards", name=name).json()
    assert [each["catalogue"] for each in told["catalogues"]] == ["case_card", "cards/case_card_field"]
    assert rows(tmp_path, "case_card") == [{"code": "0301", "parent": "", "name": "一审公诉"}]
    (field,) = rows(tmp_path, "cards/case_card_field")
    assert (field["table"], field["column"], field["label"], field["type"]) == (
        "TYYW_GG_AJJBXX",
        "SLRQ",
        "受理日期",
        "date",
    )


HEAD = "DM,FDM,MC\n"


@pytest.mark.parametrize(
    ("content", "words", "codes"),
    [
        ("", (), ["catalogue-empty"]),
        (HEAD, (), ["catalogue-empty"]),
        (b"\xff\xfe\x00\x00", (), ["catalogue-not-text"]),
        (b"PK\x03\x04\x00\x00", (), ["catalogue-not-text"]),
        ('DM,MC\n"1,甲\n', (), ["catalogue-no-table"]),
        ("甲,乙\n1,2\n", (), ["catalogue-header"]),
        ("code,name\n1,甲\n", (), ["catalogue-unnamed"]),
        ("code,name\n1,甲\n", ("--name", "../x"), ["catalogue-bad-name"]),
        (f"{HEAD},,甲\n{'9' * 101},,乙\n", (), ["catalogue-bad-code", "catalogue-bad-code"]),
        (f"{HEAD}1,,甲\n1,,乙\n", (), ["catalogue-code-twice"]),
        (f"{HEAD}1,9,甲\n", (), ["catalogue-unknown-parent"]),
        (f"{HEAD}1,2,甲\n2,1,乙\n3,1,丙\n", (), ["catalogue-circle", "catalogue-circle"]),
        ("<cards>", ("--cards",), ["catalogue-bad-xml"]),
        ('<!DOCTYPE x [<!ENTITY a "b">]><cards/>', ("--cards",), ["catalogue-bad-xml"]),
        ("<cards/>", ("--cards",), ["catalogue-empty"]),
        (CARDS.replace("SLRQ", ""), ("--cards",), ["catalogue-card-lacks"]),
        (CARDS.replace(",date", ",clob"), ("--cards",), ["catalogue-card-type"]),
        (CARDS + CARDS.splitlines()[1] + "\n", ("--cards",), ["catalogue-card-twice"]),
        (CODES, ("--cards",), ["catalogue-header"]),
    ],
)
def test_what_is_broken_is_refused_whole(tmp_path, content, words, codes):
    told = take(tmp_path, content, *words)
    assert told.code == 2
    assert [each["code"] for each in json.loads(told.out)["errors"]] == codes
    assert not (tmp_path / "pack" / "catalogues").exists()


def test_a_folder_or_file_that_is_not_there_is_told(tmp_path):
    words = ("--since", "2026-01-01", "--json")
    told = jianheng("catalogue", "import", tmp_path / "none.csv", "--to", tmp_path, *words)
    assert [each["code"] for each in told.json()["errors"]] == ["catalogue-unreadable"]
    told = jianheng("catalogue", "import", tmp_path / "none.csv", "--to", tmp_path / "none", *words)
    assert [each["code"] for each in told.json()["errors"]] == ["catalogue-no-folder"]
