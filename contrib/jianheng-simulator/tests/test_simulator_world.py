"""What the world holds: determinism, chains, counts, warts."""

import hashlib
import os
import subprocess
import sys
from datetime import datetime

import pytest
from small_world import SMALL, elsewhere, rows_in

from jianheng_simulator import World, all_rows, fill_database
from jianheng_simulator.catalogue import categories, read_table, steps, templates
from jianheng_simulator.database import KEYS, schema
from jianheng_simulator.paper import find_bosses, plan_papers
from jianheng_simulator.staffing import places
from jianheng_simulator.world import save_world, scenes


def gather(world):
    found = {}
    for portion in all_rows(world):
        for table, rows in portion.items():
            found.setdefault(table, []).extend(rows)
    return found


@pytest.fixture(scope="module")
def rows():
    return gather(SMALL)


def test_same_seed_gives_same_rows_whatever_the_hash_seed():
    script = (
        "import hashlib; from jianheng_simulator import World, all_rows;"
        "print(hashlib.sha256(repr(list(all_rows(World(people=12, cases=40)))).encode()).hexdigest())"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(prints) == 1
    here = hashlib.sha256(repr(list(all_rows(World(people=12, cases=40)))).encode()).hexdigest()
    assert prints == {f"{here}\n".encode()}


def test_another_seed_gives_other_rows(rows):
    assert gather(World(seed=7, people=14, cases=160))["YX_WS_SL"] != rows["YX_WS_SL"]


def test_counts_are_near_the_asked_ones(rows):
    assert 160 * 0.85 < len(rows["TYYW_GG_AJJBXX"]) < 160 * 1.15
    papers, approvals = len(rows["YX_WS_SL"]), len(rows["YX_WS_SP"])
    assert 7.5 < papers / len(rows["TYYW_GG_AJJBXX"]) < 11
    assert 0.5 < approvals / papers < 0.9
    suspects = rows["TYYW_GG_XYRJBXX"]
    assert 1.1 < len(suspects) / len({row["BMSAH"] for row in suspects}) < 1.6


def test_keys_are_unique(rows):
    for table, found in rows.items():
        keys = [tuple(row[column] for column in KEYS[table]) for row in found]
        assert len(keys) == len(set(keys)), table


def test_chains_link_arrest_to_prosecution_and_share_suspects(rows):
    cases = {row["BMSAH"]: row for row in rows["TYYW_GG_AJJBXX"]}
    suspects = {}
    for row in rows["TYYW_GG_XYRJBXX"]:
        suspects.setdefault(row["BMSAH"], set()).add(row["XYRBH"])
    assert len(rows["YX_AG_GLAJ"]) > 10
    for link in rows["YX_AG_GLAJ"]:
        first, second = cases[link["YAJ_BMSAH"]], cases[link["GLAJ_BMSAH"]]
        if second["AJLB_BM"] == "1402":  # monitoring is tied to the case that was looked at
            assert first["AJLB_BM"] not in ("1401", "1402")
            continue
        assert (first["AJLB_BM"], second["AJLB_BM"]) in {("0201", "0301"), ("1701", "1722")}
        assert suspects[first["BMSAH"]] >= suspects[second["BMSAH"]]
        assert first["TYSAH"] is None or second["TYSAH"] is None or first["TYSAH"] == second["TYSAH"]
        assert first["BJRQ"] <= second["SLRQ"]


def test_dates_and_states_agree(rows):
    no_date = datetime(1900, 1, 1)
    seen = set()
    for row in rows["TYYW_GG_AJJBXX"]:
        done = row["BJRQ"] not in (None, no_date)
        seen.add(row["AJZT"])
        assert done == (row["AJZT"] in ("2", "3"))
        assert (row["GDRQ"] not in (None, no_date)) == (row["AJZT"] == "3")
        assert (row["DQJD"] == "流程结束") == (row["WCRQ"] not in (None, no_date))
        assert row["CJSJ"] <= row["ZHXGSJ"] < datetime(2026, 1, 1)
    assert {"1", "2", "3"} <= seen


def test_warts_are_there(rows):
    cases = rows["TYYW_GG_AJJBXX"]
    assert any(row["WCRQ"] == datetime(1900, 1, 1) for row in cases)
    assert any(row["TYSAH"] is None for row in cases)
    assert all(
        row["TYSAH"] is None or (len(row["TYSAH"]) == 20 and row["TYSAH"].endswith("   ")) for row in cases
    )
    assert all(row["CBRGH"].endswith("  ") for row in cases)
    assert any(row["SFSC"] == "Y" for row in rows["YX_WS_SL"])
    assert any(row["YSQTAY_AYDMS"] and len(row["YSQTAY_AYDMS"]) == 26 for row in cases)
    names = {row["AJLBBM"]: row["AJLBMC"] for row in rows["XT_DM_AJLBBM"]}
    assert any(row["AJLB_MC"] != names[row["AJLB_BM"]] for row in cases)
    assert all("FAKE" in row["KL"] and "FAKE" in row["SFZH"] for row in rows["XT_ZZJG_RYBM"])
    numbers = [row["GH"] for row in rows["XT_ZZJG_RYBM"]]
    assert len(numbers) > len(set(numbers))


def test_char_columns_are_filled_up(rows):
    for table, found in rows.items():
        widths = {
            row["column"]: int(row["length"])
            for row in read_table("schema.csv")
            if row["table"] == table and row["type"] == "char"
        }
        for row in found:
            for column, value in row.items():
                assert value is None or column not in widths or len(value) == widths[column], (
                    table,
                    column,
                    value,
                )


def test_rows_fill_known_columns_only(rows):
    for table, found in rows.items():
        assert set(found[0]) <= set(schema().tables[table].c.keys())
    assert len(schema().tables["TYYW_GG_AJJBXX"].c) == 66
    assert len(schema().tables["YX_WS_SL"].c) == 43


def test_somebody_moves_to_another_unit():
    people = gather(World(cases=20))["XT_ZZJG_RYBM"]
    moved = [row for row in people if row["YDWBM"]]
    assert [(row["DWBM"], row["YDWBM"]) for row in moved] == [("990100", "990101")]
    left = [row for row in people if row["SFSC"] == "Y"]
    assert [(row["DWBM"], row["MC"]) for row in left] == [("990101", moved[0]["MC"])]


def test_templates_are_well_formed():
    known = templates()
    assert all(len(code) == 12 and code.isdecimal() for code in known)
    assert all(one.drafter in one.may_draft for one in known.values())
    assert all((one.approval == "none") == (not one.may_approve) for one in known.values())
    used = {step.template.code for code in categories() for step in steps(code)}
    assert used == set(known)
    for code in categories():
        for step in steps(code):
            assert not step.template.categories or code in step.template.categories


def _is_wrong(paper) -> bool:
    level = {"001": "chief", "002": "deputy_chief", "003": "dept_head", "004": ""}
    return bool(paper.approvals) and level[paper.approvals[-1].role_code] not in paper.template.may_approve


def test_a_few_papers_are_approved_without_authority():
    scene = next(scenes(World(people=30, cases=300)))
    bosses = find_bosses(scene.office)
    papers = [paper for numbered in scene.cases.values() for paper in plan_papers(1, bosses, numbered.life)]
    share = sum(_is_wrong(paper) for paper in papers) / len(papers)
    assert 0.003 < share < 0.05


def test_many_offices_have_different_codes():
    codes = [place.code for place in places(60)]
    assert codes[:2] == ["990101", "880203"]
    assert len(set(codes)) == 60


def test_postgresql_holds_the_same_rows(postgresql, made, tmp_path):
    world = elsewhere(postgresql)
    fill_database(tmp_path, world)
    save_world(tmp_path, world)
    count = 'select count(*) as n from "YX_WS_SL"'
    assert rows_in(tmp_path, count)[0]["n"] == rows_in(made, count)[0]["n"]
    assert rows_in(tmp_path, 'select "TYSAH" from "TYYW_GG_AJJBXX" where "TYSAH" is not null limit 1')[0][
        "TYSAH"
    ].endswith("   ")
