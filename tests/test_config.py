"""Deployments: every value has an origin, every fault is told, no secret is written out."""

import os
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel

from jianheng.config import (
    Option,
    check_options,
    load_deployment,
    pseudonyms,
    resolve_secrets,
    secret_references,
    store_url,
)
from jianheng.config.layers import read_head, read_toml
from jianheng.errors import FaultsError, StopError
from jianheng.messages import speaking

GOOD = """
[office]
code = "990101"
name = "滨海市东屿区人民检察院"
[policy]
pack = "laoshan"
periods = ["2024", "2025"]
"""


def write(folder: Path, text: str, name: str = "deployment.toml") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def faults(path: Path) -> list[tuple[str, str]]:
    with pytest.raises(FaultsError) as raised:
        load_deployment(path)
    for each in raised.value.problems:
        for language in ("zh", "en"):
            with speaking(language):
                told = each.message()
            assert all((told.what, told.where, told.why, told.do)), each
            assert "{" not in told.what + told.where + told.do, each
    return [(each.code, str(each.fields.get("path", ""))) for each in raised.value.problems]


def test_a_small_deployment_has_defaults(tmp_path):
    deployment = load_deployment(write(tmp_path, GOOD))
    assert deployment.office.scope == ("990101",)
    assert deployment.policy.periods == ("2024", "2025")
    assert store_url(deployment, {}) == f"sqlite:///{tmp_path}/jianheng.db"
    assert deployment.origins["store.url"].layer == "default"
    assert deployment.origins["office.code"].layer == "deployment.toml"


def test_a_folder_means_the_deployment_in_it(tmp_path):
    write(tmp_path, GOOD)
    assert load_deployment(tmp_path).file == tmp_path / "deployment.toml"


def test_later_layers_win_key_by_key_and_every_leaf_knows_its_layer(tmp_path):
    write(tmp_path, '[plugins]\nallow = ["a"]\n[store]\nurl = "sqlite:///nation.db"', "nation.toml")
    upper = 'extends = "../nation.toml"\n[sources.ucs]\nadapter = "x"\ntimeout_s = 5\n[sources.ucs.options]\na = 1\nb = 1\n'
    write(tmp_path, upper, "shandong/province.toml")
    inner = f'extends = "../shandong/province.toml"\n{GOOD}\n[sources.ucs]\ntimeout_s = 0.5\n[sources.ucs.options]\nb = 2\n'
    deployment = load_deployment(write(tmp_path, inner, "dongyu/deployment.toml"))
    source = deployment.sources["ucs"]
    assert (source.adapter, source.timeout_s, dict(source.options)) == ("x", 0.5, {"a": 1, "b": 2})
    layers = {key: origin.layer for key, origin in deployment.origins.items()}
    assert layers["plugins.allow"] == os.path.join("..", "nation.toml")  # noqa: PTH118  # as it is shown
    assert layers["sources.ucs.options.a"] == os.path.join("..", "shandong", "province.toml")  # noqa: PTH118
    assert layers["sources.ucs.options.b"] == "deployment.toml"
    assert layers["sources.ucs.timeout_s"] == "deployment.toml"
    assert set(deployment.values()) == set(layers)


def test_numbers_are_exact(tmp_path):
    text = f'{GOOD}\n[sources.s]\nadapter = "x"\n[sources.s.options]\nratio = 0.1\n'
    assert load_deployment(write(tmp_path, text)).sources["s"].options["ratio"] == Decimal("0.1")


def test_all_faults_of_all_layers_are_told_together(tmp_path):
    write(tmp_path, '[policy]\npack = "laoshan"\nperiod = ["2024"]\n[store]\nurl = 3\n', "province.toml")
    inner = """
extends = "province.toml"
[office]
code = "99010"
units = []
[store]
url = "sqlite:///x.db"
[sources.UCS]
adapter = "x"
[sources.ucs]
adaptor = "x"
timeout_s = "600"
[targets.t]
adapter = ""
timeout_s = -1
"""
    assert set(faults(write(tmp_path, inner))) == {
        ("config-unknown-key", "policy.period"),
        ("config-wrong-type", "store.url"),
        ("config-bad-unit-code", "office.code"),
        ("config-empty", "office.units"),
        ("config-missing-key", "office.name"),
        ("config-missing-key", "policy.periods"),
        ("config-bad-name", "sources.UCS"),
        ("config-unknown-key", "sources.ucs.adaptor"),
        ("config-missing-key", "sources.ucs.adapter"),
        ("config-wrong-type", "sources.ucs.timeout_s"),
        ("config-empty", "targets.t.adapter"),
        ("config-bad-value", "targets.t.timeout_s"),
    }


def test_an_unknown_key_is_told_with_the_nearest_and_its_own_file(tmp_path):
    province = write(tmp_path, '[policy]\npack = "laoshan"\nperiod = ["2024"]\n', "province.toml")
    inner = 'extends = "province.toml"\n[policy]\nperiods = ["2024"]\n[office]\ncode = "990101"\nname = "东屿区院"\n'
    with pytest.raises(FaultsError) as raised:
        load_deployment(write(tmp_path, inner))
    fields = raised.value.problem.fields
    assert (fields["file"], fields["key"], fields["nearest"]) == (str(province), "period", "periods")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('[office]\ncode = 990101\nname = "x"', "config-wrong-type"),
        ('[office]\ncode = "99O101"\nname = "x"', "config-bad-unit-code"),
        ('[office]\ncode = "９９０１０１"\nname = "x"', "config-bad-unit-code"),
        ('[office]\ncode = "990101"\nname = ""', "config-empty"),
        ('[office]\ncode = "990101"\nname = "' + "院" * 300 + '"', "config-bad-value"),
        ('office = "990101"', "config-wrong-type"),
        ('[office]\ncode = "990101"\nname = "x"\nunits = ["990101", 2]', "config-wrong-type"),
        ('[office]\ncode = "990101"\nname = "x"\nunits = "990101"', "config-wrong-type"),
        ('[office]\ncode = 2024-01-01\nname = "x"', "config-wrong-type"),
    ],
)
def test_a_wrong_office_is_told(tmp_path, line, code):
    text = f'{line}\n[policy]\npack = "p"\nperiods = ["2024"]\n'
    assert code in [each for each, _ in faults(write(tmp_path, text))]


@pytest.mark.parametrize("value", ["inf", "nan", "0", "1e9", "true", "1e999999"])
def test_a_timeout_is_a_sensible_number(tmp_path, value):
    text = f'{GOOD}\n[sources.s]\nadapter = "x"\ntimeout_s = {value}\n'
    assert [path for _, path in faults(write(tmp_path, text))] == ["sources.s.timeout_s"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"[office\ncode = 1", "config-syntax"),
        (b"a = 1\na = 2", "config-syntax"),
        (b"a = " + b"[" * 100_000, "config-syntax"),
        (b"a = \xff\xfe", "config-not-utf8"),
        ("# 单位".encode("gb18030"), "config-not-utf8"),
        (b"# x\n" * 2_600_000, "config-too-large"),
        (b"\0", "config-syntax"),
    ],
    ids=["syntax", "twice", "deep", "latin", "gb18030", "10MB", "nul"],
)
def test_a_hostile_file_gets_a_coded_error(tmp_path, content, code):
    file = tmp_path / "deployment.toml"
    file.write_bytes(content)
    assert faults(file)[0][0] == code


def test_a_syntax_error_names_its_line(tmp_path):
    with pytest.raises(FaultsError) as raised:
        load_deployment(write(tmp_path, "[office]\ncode = \n"))
    assert raised.value.problem.fields["line"] == "2"


def test_a_byte_order_mark_is_no_fault(tmp_path):
    file = tmp_path / "deployment.toml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_deployment(file).office.code == "990101"


def test_what_is_no_file_is_told(tmp_path):
    assert faults(tmp_path / "nowhere.toml") == [("config-not-found", "")]
    assert faults(tmp_path) == [("config-none-in-folder", "")]
    (tmp_path / "deployment.toml").mkdir()
    assert faults(tmp_path) == [("config-not-a-file", "")]
    os.mkfifo(tmp_path / "pipe")
    assert faults(tmp_path / "pipe") == [("config-not-a-file", "")]
    assert faults(Path("a\0b"))[0][0] == "config-unreadable"


def test_a_circle_of_layers_is_told(tmp_path):
    write(tmp_path, 'extends = "b.toml"', "a.toml")
    write(tmp_path, 'extends = "a.toml"', "b.toml")
    assert faults(tmp_path / "a.toml") == [("config-extends-cycle", "")]
    write(tmp_path, 'extends = "c.toml"', "c.toml")
    assert faults(tmp_path / "c.toml") == [("config-extends-cycle", "")]


def test_a_missing_layer_is_a_fault_of_the_file_that_names_it(tmp_path):
    file = write(tmp_path, f'extends = "nowhere.toml"\n{GOOD}')
    with pytest.raises(FaultsError) as raised:
        load_deployment(file)
    assert raised.value.code == "config-extends-missing"
    assert raised.value.problem.fields["file"] == str(file)


@pytest.mark.parametrize("value", ["3", '""', '["a.toml"]'])
def test_extends_is_one_path(tmp_path, value):
    assert faults(write(tmp_path, f"extends = {value}\n{GOOD}"))[0][0] == "config-extends-bad"


def test_faults_of_a_readable_layer_are_told_with_the_unreadable_one(tmp_path):
    write(tmp_path, "[office", "province.toml")
    codes = faults(write(tmp_path, 'extends = "province.toml"\n[office]\nnome = "x"\n'))
    assert codes == [("config-syntax", ""), ("config-unknown-key", "office.nome")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[sources.s.secrets]\npassword = "hunter2!"', "config-literal-secret"),
        ('[sources.s.secrets]\npassword = "env:"', "config-literal-secret"),
        ('[sources.s.secrets]\npassword = "env:A B"', "config-literal-secret"),
        ('[sources.s.options]\nurl = "postgresql://reader:hunter2!@host/db"', "config-url-password"),
        ('[sources.s.options]\nurl = "http://host/?access_token=hunter2!"', "config-url-password"),
        ('[sources.s.options]\nlist = [{ dsn = "x://a:hunter2!@h" }]', "config-url-password"),
        ('[sources.s.options]\npassword = "hunter2!"', "config-secret-in-options"),
        ('[sources.s.options.deep]\nclient_secret = "hunter2!"', "config-secret-in-options"),
        ('[store]\nurl = "postgresql://reader:hunter2!@host/db"', "config-url-password"),
        ('[store]\npassword = "hunter2!"', "config-literal-secret"),
        ('[privacy]\npseudonym_key = "hunter2!"', "config-literal-secret"),
        (
            '[sources.s.options]\nurl = 3\ntoken = "hunter2!"\n[sources.s.secrets]\np = 3',
            "config-secret-in-options",
        ),
    ],
)
def test_a_secret_that_is_written_out_is_refused_and_not_repeated(tmp_path, text, code):
    head = f'{GOOD}\n[sources.s]\nadapter = "x"\n' if "sources.s" in text else GOOD
    file = write(tmp_path, f"{head}\n{text}\n")
    assert code in [each for each, _ in faults(file)]
    with pytest.raises(FaultsError) as raised:
        load_deployment(file)
    assert "hunter2" not in str(raised.value)


def test_the_same_system_twice_is_told(tmp_path):
    twice = "".join(f'[sources.{name}]\nadapter = "x"\noptions = {{ url = "u" }}\n' for name in ("a", "b"))
    assert faults(write(tmp_path, GOOD + twice)) == [("config-source-twice", "sources.b")]


def with_secrets(tmp_path, **references):
    lines = "\n".join(f'{name} = "{reference}"' for name, reference in references.items())
    return load_deployment(
        write(tmp_path, f'{GOOD}\n[sources.s]\nadapter = "x"\n[sources.s.secrets]\n{lines}\n')
    )


def test_secrets_come_from_the_environment_and_from_private_files(tmp_path):
    file = tmp_path / "key"
    file.write_text("from-file\r\n", encoding="utf-8")
    file.chmod(0o600)
    deployment = with_secrets(tmp_path, a="env:A", b="file:key")
    found = resolve_secrets(deployment, environ={"A": "from-env"})
    values = {key: secret.reveal() for key, secret in found.items()}
    assert values == {"sources.s.a": "from-env", "sources.s.b": "from-file"}
    assert "from-env" not in repr(found) + str(found)
    assert secret_references(deployment)["sources.s.a"] == "env:A"
    assert resolve_secrets(deployment, under="sources.other", environ={}) == {}


def test_all_missing_secrets_are_told_together(tmp_path):
    (tmp_path / "open").write_text("x", encoding="utf-8")
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "binary").write_bytes(b"\xff\xff")
    (tmp_path / "binary").chmod(0o600)
    deployment = with_secrets(
        tmp_path,
        a="env:NOBODY_SET",
        b="file:nowhere",
        c="file:open",
        d="env:EMPTY",
        e="file:binary",
        f="file:.",
    )
    with pytest.raises(FaultsError) as raised:
        resolve_secrets(deployment, environ={"EMPTY": ""})
    assert [each.code for each in raised.value.problems] == [
        "secret-variable-missing",
        "secret-file-missing",
        "secret-file-open",
        "secret-empty",
        "secret-file-missing",
        "secret-file-missing",
    ]
    assert "NOBODY_SET" in str(raised.value)


def test_the_password_of_the_store_is_put_into_its_url(tmp_path):
    text = f'{GOOD}\n[store]\nurl = "postgresql+psycopg://keeper@host/db"\npassword = "env:P"\n'
    deployment = load_deployment(write(tmp_path, text))
    url = store_url(deployment, resolve_secrets(deployment, environ={"P": "p@ss"}))
    assert url == "postgresql+psycopg://keeper:p%40ss@host/db"


class Declared(BaseModel):
    id: str = "zoo"
    options: dict[str, Option]


OPTIONS = Declared.model_validate(
    {
        "options": {
            "url": {"type": "string", "required": True},
            "size": {"type": "integer", "default": 500, "minimum": 1, "maximum": 1000},
            "ratio": {"type": "number"},
            "on": {"type": "boolean", "default": False},
            "folder": {"type": "path"},
            "names": {"type": "list", "default": []},
            "map": {"type": "table"},
            "mode": {"type": "string", "choices": ["a", "b"], "default": "a"},
        }
    }
)


def test_options_are_converted_and_filled(tmp_path):
    given = {"url": "sqlite:///../ucs.db?x=1", "ratio": 1, "folder": "out"}
    assert check_options(OPTIONS, given, tmp_path / "office") == {
        "url": f"sqlite:///{tmp_path}/ucs.db?x=1",
        "size": 500,
        "ratio": Decimal(1),
        "on": False,
        "folder": tmp_path / "office" / "out",
        "names": [],
        "map": None,
        "mode": "a",
    }


@pytest.mark.parametrize(
    "url",
    ["sqlite:////abs.db", "sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true", "mysql://h/d"],
)
def test_a_url_that_needs_no_folder_is_left_alone(tmp_path, url):
    assert check_options(OPTIONS, {"url": url}, tmp_path)["url"] == url


def test_all_faults_of_options_are_told_together(tmp_path):
    given = {"sise": 3, "size": 0, "ratio": "1", "on": 1, "folder": 3, "names": "x", "map": [], "mode": "c"}
    with pytest.raises(FaultsError) as raised:
        check_options(OPTIONS, given, tmp_path, path="sources.s.options", file="deployment.toml")
    assert [(each.code, each.fields["path"].rpartition(".")[2]) for each in raised.value.problems] == [
        ("config-unknown-option", "sise"),
        ("config-missing-option", "url"),
        ("config-bad-value", "size"),
        ("config-wrong-type", "ratio"),
        ("config-wrong-type", "on"),
        ("config-wrong-type", "folder"),
        ("config-wrong-type", "names"),
        ("config-wrong-type", "map"),
        ("config-bad-value", "mode"),
    ]
    assert raised.value.problem.fields["nearest"] == "size"


@pytest.mark.parametrize("value", [Decimal("inf"), Decimal("nan"), True])
def test_a_number_option_is_finite(tmp_path, value):
    with pytest.raises(FaultsError):
        check_options(OPTIONS, {"url": "x", "ratio": value}, tmp_path)


def test_pseudonyms_are_stable_and_the_key_is_private(tmp_path):
    deployment = load_deployment(write(tmp_path, GOOD))
    first = pseudonyms(deployment)("张三")
    assert first.startswith("嫌疑人-")
    assert len(first) == len("嫌疑人-7F3A9C12")
    assert pseudonyms(deployment)("张\u3000三 ") == first
    assert pseudonyms(deployment)("李四") != first
    assert pseudonyms(deployment)(" ") == ""
    key = tmp_path / ".pseudonym-key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == [".pseudonym-key", "deployment.toml"]


def test_a_configured_key_makes_no_file(tmp_path):
    text = f'{GOOD}\n[privacy]\npseudonym_key = "env:KEY"\n'
    deployment = load_deployment(write(tmp_path, text))
    one = pseudonyms(deployment, {"KEY": "k1"})("张三")
    assert one != pseudonyms(deployment, {"KEY": "k2"})("张三")
    assert not (tmp_path / ".pseudonym-key").exists()


@pytest.mark.parametrize(("content", "code"), [("", "secret-empty"), ("xyz", "pseudonym-key-bad")])
def test_a_damaged_key_is_not_replaced(tmp_path, content, code):
    deployment = load_deployment(write(tmp_path, GOOD))
    key = tmp_path / ".pseudonym-key"
    key.write_text(content, encoding="ascii")
    key.chmod(0o600)
    with pytest.raises(StopError) as raised:
        pseudonyms(deployment)("张三")
    assert raised.value.code == code
    assert key.read_text(encoding="ascii") == content


@pytest.mark.parametrize(
    "above",
    [
        'id = "a"\n',
        '# [none]\nid = "a" # [none]\n',
        'rows = [\n[1, 2],\n[3]]\nid = "a"\n',
        'told = """\n[none]\n"""\nid = "a"\n',
        "",
    ],
)
def test_what_stands_above_the_first_table_can_be_read_alone(tmp_path, above):
    file = tmp_path / "x.toml"
    file.write_text(above + '[inner]\nid = "b"\n', encoding="utf-8")
    assert read_head(file).get("id") == read_toml(file).get("id") == ("a" if above else None)
    file.write_text(above + "[inner]\nid = b\n", encoding="utf-8")
    if above and "\n[" not in above:
        assert read_head(file)["id"] == "a"
    with pytest.raises(StopError) as refused:
        read_toml(file)
    assert refused.value.code == "config-syntax"


def test_a_head_that_is_wrong_is_told_as_the_whole_would_be(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text('id = "a\n[inner]\n', encoding="utf-8")
    told = []
    for read in (read_head, read_toml):
        with pytest.raises(StopError) as refused:
            read(file)
        told.append(refused.value.problem)
    assert told[0] == told[1]
