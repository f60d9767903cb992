"""Contract 1 holds what it promised: its surface, its manifest, and what is written about it.

``JIANHENG_WRITE_DOCS=1`` takes additions over into the stored surface, and writes the schema of the manifest
anew; what breaks the contract fails all the same.
"""

import datetime as dt
import json
import os
import re
import tomllib
from decimal import Decimal
from pathlib import Path

import jsonschema
import pyarrow as pa
import pytest

from contract_surface import MODULES, broken, surface
from document_pages import ROOT, blocks, first_cells, page, section, table
from frozen_adapters.install import FROZEN
from jianheng import contract, errors
from jianheng.cli.doctor import CHECK_TIMEOUT_S
from jianheng.config import TargetUse
from jianheng.contract import CONTRACT_VERSION, SUPPORTED_CONTRACTS
from jianheng.errors import JianhengError, StopError
from jianheng.facts.columns import Checked, check
from jianheng.facts.convert import CODE_LIMIT, KEY_LIMIT, TEXT_LIMIT
from jianheng.facts.entities import ENTITIES
from jianheng.isolation.bootstrap import SEEN
from jianheng.registry.discovery import IMPORT_TIMEOUT_S
from jianheng.registry.manifest import read_manifest
from jianheng.scaffold.schema import manifest_schema
from jianheng.sync.guards import DEPTH_LIMIT, PARTS_LIMIT, ROW_LIMIT

SURFACE = Path(__file__).with_name(f"contract-v{CONTRACT_VERSION}.txt")
SCHEMA = ROOT / "core" / "jianheng" / "scaffold" / "adapter.schema.json"
MANIFESTS = sorted(
    file
    for root in (
        ROOT / "adapters",
        ROOT / "plugins",
        ROOT / "contrib",
        FROZEN,
        ROOT / "tests" / "plugins_zoo",
    )
    for file in root.rglob("adapter.toml")
)
WRITE = os.environ.get("JIANHENG_WRITE_DOCS") == "1"

MANIFEST = {
    "id": "acme",
    "kind": ["source", "target"],
    "contract": CONTRACT_VERSION,
    "maturity": "bronze",
    "label": {"zh": "例", "en": "example"},
    "streams": ["person"],
    "publications": ["scores"],
    "options": {"size": {"type": "integer", "minimum": 1, "label": {"zh": "数", "en": "size"}}},
}


def stored() -> list[str]:
    return SURFACE.read_text(encoding="utf-8").splitlines()


def test_nothing_of_the_contract_went_and_nothing_asks_for_more():
    """A vendor's code that is out there would fail. Mend it, or begin contract 2 (docs/contract.md)."""
    assert broken(stored(), surface()) == []


def test_what_was_added_to_the_contract_is_stored_and_told():
    """Added on purpose? Run this with JIANHENG_WRITE_DOCS=1, and say it in docs/contract.md under "Added" and in CHANGELOG.md."""
    if WRITE and not broken(stored(), surface()):
        SURFACE.write_text("\n".join(surface()) + "\n", encoding="utf-8")
    assert [line for line in surface() if line not in stored()] == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: [*lines[:-1]], "gone: b.T.y"),
        (lambda lines: ["a.f(two: str = '')", "a.f(one: int)", *lines[2:]], "another order: a.f"),
        (lambda lines: [*lines[:2], "a.f(three: int)", *lines[2:]], "asks for more: a.f(three: int)"),
        (lambda lines: [lines[0].replace("int", "str"), *lines[1:]], "gone: a.f(one: int)"),
        (lambda lines: [*lines, "contract.Source.more"], "asks for more: contract.Source.more"),
        (lambda lines: [*lines, "entity person(age: integer needed)"], "asks for more: entity person"),
        (lambda lines: [*lines[:2], "a.f(three: int = 3)", *lines[2:], "entity person(age: integer)"], ""),
        (lambda lines: [*lines, "a.g", "a.g(one: int)", "contract.Mode may be 'push'"], ""),
    ],
)
def test_a_change_that_breaks_is_told_from_one_that_adds(change, told):
    lines = ["a.f(one: int)", "a.f(two: str = '')", "entity person(name: text needed)", "b.T.y"]
    found = broken(lines, change(lines))
    assert any(told in each for each in found) if told else found == []


def test_the_package_of_the_contract_gives_every_name_that_its_modules_hold():
    told = {
        line.split(".")[1].partition("(")[0].split()[0] for line in surface() if line.startswith("contract.")
    }
    assert told == set(contract.__all__)


def test_current_and_previous_contract_are_served():
    assert [each for each in (CONTRACT_VERSION - 1, CONTRACT_VERSION) if each > 0] == [*SUPPORTED_CONTRACTS]


def test_a_third_partys_process_has_the_modules_of_the_contract_and_no_others():
    parts = {each.split(".")[1] for each in MODULES}
    assert parts | {"isolation"} == SEEN, "isolation is what runs there"


def test_the_schema_of_the_manifest_is_current():
    """When this fails: JIANHENG_WRITE_DOCS=1 python -m pytest tests/test_contract.py."""
    made = json.dumps(manifest_schema(), ensure_ascii=False, indent=2) + "\n"
    if WRITE:
        SCHEMA.write_text(made, encoding="utf-8")
    assert made == SCHEMA.read_text(encoding="utf-8")


def judged(file: Path) -> bool:
    """Whether core takes a manifest; what is about its texts and not its form aside."""
    try:
        return read_manifest(file).contract in SUPPORTED_CONTRACTS
    except StopError:
        return False


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda each: each.parent.name)
def test_an_editor_and_core_think_the_same_of_a_manifest(file):
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        assert not judged(file)
        return
    fits = jsonschema.Draft202012Validator(manifest_schema()).is_valid(data)
    # Whether a default is of its option's type is seen by core alone.
    assert fits == judged(file) or file.parent.name == "zoo_default"


@pytest.mark.parametrize(
    "spoil",
    [
        {"kind": []},
        {"kind": ["sources"]},
        {"streams": []},
        {"publications": []},
        {"contract": CONTRACT_VERSION + 1},
        {"maturity": "platinum"},
        {"label": {"zh": "例"}},
        {"owner": "acme"},
        {"id": ""},
        {"options": {"size": {"type": "int"}}},
        {"options": {"size": {"type": "integer", "minimum": "one"}}},
        {"options": {"size": {"type": "string", "choices": []}}},
    ],
    ids=str,
)
def test_an_editor_and_core_refuse_the_same(spoil, tmp_path):
    validator = jsonschema.Draft202012Validator(manifest_schema())
    assert (validator.is_valid(MANIFEST), judged(written(tmp_path, MANIFEST))) == (True, True)
    spoilt = MANIFEST | spoil
    assert (validator.is_valid(spoilt), judged(written(tmp_path, spoilt))) == (False, False)


def written(folder: Path, manifest: dict[str, object]) -> Path:
    """Write a manifest as TOML: JSON's texts, numbers and lists are TOML's, tables inline."""

    def told(value: object) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{name} = {told(each)}" for name, each in value.items()) + " }"
        return json.dumps(value, ensure_ascii=False)

    file = folder / "adapter.toml"
    file.write_text("".join(f"{name} = {told(each)}\n" for name, each in manifest.items()), encoding="utf-8")
    return file


def test_the_contracts_page_names_every_module_and_every_protocol():
    text = page("contract.md")
    offered = [line.partition(" [Protocol]")[0] for line in stored() if line.endswith("[Protocol]")]
    missing = [
        each for each in (*MODULES, *(name.rpartition(".")[2] for name in offered)) if f"`{each}`" not in text
    ]
    assert missing == []


def test_the_example_manifest_of_the_contracts_page_is_one(tmp_path):
    (example,) = [
        content for _, name, content in blocks(page("contract.md")) if name.endswith("adapter.toml")
    ]
    file = tmp_path / "adapter.toml"
    file.write_text(example, encoding="utf-8")
    assert set(tomllib.loads(example)) == set(type(read_manifest(file)).model_fields)


# Batches.

DAY, MOMENT = dt.date(2026, 1, 5), dt.datetime(2026, 1, 5, 8, 30)  # noqa: DTZ001 wall time is meant
ARROW: dict[str, tuple[str, list[pa.Array]]] = {
    "string": ("category", [pa.array(["0301"], pa.string())]),
    "large_string": ("category", [pa.array(["0301"], pa.large_string())]),
    "string_view": ("category", [pa.array(["0301"], pa.string_view())]),
    "dictionary": ("category", [pa.array(["0301"]).dictionary_encode()]),
    **{
        name: ("handling_days", [pa.array([5], getattr(pa, name)())])
        for name in (
            "int8",
            "int16",
            "int32",
            "int64",
            "uint8",
            "uint16",
            "uint32",
            "uint64",
            "float32",
            "float64",
        )
    },
    "decimal128": ("handling_days", [pa.array([Decimal(5)], pa.decimal128(10, 2))]),
    "decimal256": ("handling_days", [pa.array([Decimal(5)], pa.decimal256(40, 2))]),
    "bool": ("is_watched", [pa.array([True])]),
    "date32": ("accepted_on", [pa.array([DAY], pa.date32())]),
    "date64": ("accepted_on", [pa.array([DAY], pa.date64())]),
    "timestamp": (
        "accepted_on",
        [
            pa.array([MOMENT], pa.timestamp(unit, zone))
            for unit in ("s", "ms", "us", "ns")
            for zone in (None, "UTC")
        ],
    ),
    "struct": ("attributes", [pa.array([{"colour": "red"}])]),
    "null": ("warning_state", [pa.nulls(1)]),
}
"""By the name of a type on the page: a column, and arrays of that type that hold what ``PLAIN`` holds there."""

PLAIN = {
    "case_no": "A",
    "unit_code": "990101",
    "category": "0301",
    "accepted_on": "2026-01-05",
    "handling_days": "5",
    "is_watched": "Y",
    "attributes": {"colour": "red"},
    "warning_state": "",
}


def test_every_arrow_type_of_the_contracts_page_means_what_the_mapping_means():
    entity = ENTITIES["case"]
    assert first_cells(table(page("contract.md"), "Arrow type")) == set(ARROW)
    wanted = check(entity, [PLAIN])
    assert wanted.rejects == {}
    for name, (column, arrays) in ARROW.items():
        for array in arrays:
            others = {each: pa.array([value]) for each, value in PLAIN.items() if each != column}
            given = check(entity, pa.table({**others, column: array}))
            assert (given.rejects, values_of(given)) == ({}, values_of(wanted)), f"{name}: {array.type}"


def values_of(checked: Checked) -> list[list[object]]:
    """Return what stands in each column, however it was read."""
    return [list(each.values) for each in checked.columns]


def test_the_limits_of_the_contracts_page_are_those_in_force():
    text = section(page("contract.md"), "Limits and time-outs")
    told = [int(each.replace(",", "")) for each in re.findall(r"\d{1,3}(?:,\d{3})+|\d+", text)]
    limits = (
        IMPORT_TIMEOUT_S,
        TargetUse.model_fields["timeout_s"].default,
        CHECK_TIMEOUT_S,
        *(TEXT_LIMIT, CODE_LIMIT, KEY_LIMIT, DEPTH_LIMIT, PARTS_LIMIT, ROW_LIMIT),
    )
    assert [each for each in limits if each not in told] == []


def test_the_errors_of_the_contracts_page_are_those_in_force():
    rows = re.findall(
        r"^\| (`[^|]+) \| (\w+) \| [^|]+ \| (\d) \|$",
        section(page("contract.md"), "Errors by recovery"),
        re.MULTILINE,
    )
    told = {
        name: (recovery, int(code))
        for names, recovery, code in rows
        for name in re.findall(r"`(\w+)`", names)
    }
    kinds = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, JianhengError)
    ]
    known = {each.__name__: (each.recovery, each.exit_code) for each in kinds if each is not JianhengError}
    assert told == known
