"""Plugins: a bad one is set aside with its reason, and nothing else is hurt."""

import sys
import time
import types
from pathlib import Path

import pytest

from jianheng import messages
from jianheng.errors import StopError
from jianheng.hookspecs import hookimpl
from jianheng.isolation import host, process
from jianheng.registry import Manifest, Plugin, Registry, discover, read_manifest, unknown_names
from jianheng.registry.hooks import register
from plugins_zoo.install import ZOO, install
from thoroughness import some

EVERYONE = tuple(sorted(each.name for each in ZOO.iterdir() if (each / "entry_points.txt").exists()))
QUICK_S = 1.0


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """Install animals and return the plugins found, by id and distribution."""
    monkeypatch.syspath_prepend(tmp_path / "site")

    def found(*names: str, allow=EVERYONE, disable=()) -> dict[tuple[str, str], Plugin]:
        install(tmp_path / "site", *names)
        plugins = discover(allow, disable, timeout_s=QUICK_S)
        return {(each.id, each.distribution): each for each in plugins}

    return found


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Install all animals once: each bad one among all the others."""
    with pytest.MonkeyPatch.context() as patch:
        site = tmp_path_factory.mktemp("zoo") / "site"
        patch.syspath_prepend(site)
        install(site, *EVERYONE)
        plugins = discover(EVERYONE, timeout_s=QUICK_S)
    return {(each.id, each.distribution): each for each in plugins}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("zoo-raises", "adapter-raised"),
        ("zoo-exits", "adapter-raised"),
        ("zoo-interrupts", "adapter-raised"),
        ("zoo-hangs", "adapter-timeout"),
        ("zoo-misspells", "plugin-hook-unknown"),
        ("zoo-unmarked", "plugin-hook-unmarked"),
        ("zoo-arguments", "plugin-hook-arguments"),
        ("zoo-empty", "plugin-hook-missing"),
        ("zoo-undeclared", "plugin-hook-undeclared"),
        ("zoo-garbage", "plugin-returned-wrong"),
        ("zoo-ids", "plugin-wrong-ids"),
        ("zoo-hook-raises", "adapter-raised"),
        ("zoo-future", "plugin-contract"),
        ("zoo-manifest", "plugin-manifest-bad"),
        ("zoo-toml", "config-syntax"),
        ("zoo-other-id", "plugin-id-differs"),
        ("zoo-default", "plugin-manifest-bad"),
        ("zoo-texts", "plugin-texts-bad"),
        ("zoo-no-manifest", "plugin-manifest-missing"),
    ],
)
def test_a_bad_plugin_is_set_aside_with_its_reason(together, name, code):
    bad = together[(name, name)]
    assert bad.reason is not None
    assert code == bad.reason.code
    assert not bad.enabled
    told = bad.reason.message()
    assert all((told.what, told.where, told.why, told.do))


@pytest.mark.parametrize("name", some(["zoo-hangs", "zoo-exits", "zoo-garbage", "zoo-texts"], 2))
def test_one_bad_plugin_leaves_a_good_one_in_use(zoo, name):
    found = zoo(name, "zoo-good")
    assert not found[(name, name)].enabled
    assert found[("zoo-good", "zoo-good")].enabled


def test_all_animals_together_leave_the_good_ones_in_use(together):
    found = together
    enabled = {each.id for each in found.values() if each.enabled and each.distribution.startswith("zoo-")}
    lawful = {"zoo-policies", "zoo-more-policies", "zoo-calendars", "zoo-more-calendars"}
    assert enabled == {"zoo-good", "zoo-target"} | lawful
    ids = [each.id for each in found.values()]
    assert ids == sorted(ids)


def test_a_plugin_is_not_imported_before_it_is_judged(zoo):
    zoo("zoo-good", "zoo-manifest", "zoo-toml", "zoo-no-manifest", "zoo-future", allow=())
    assert [each for each in sys.modules if each.startswith("zoo_")] == []


def test_what_is_not_on_the_allow_list_is_not_loaded(zoo):
    plugin = zoo("zoo-good", allow=())[("zoo-good", "zoo-good")]
    assert plugin.reason is not None
    assert plugin.reason.code == "plugin-not-allowed"
    assert plugin.streams == ("unit",)


def test_names_on_the_allow_list_are_compared_as_installers_do(zoo):
    assert zoo("zoo-good", allow=["Zoo_Good"])[("zoo-good", "zoo-good")].enabled


def test_a_disabled_plugin_is_not_loaded(zoo):
    plugin = zoo("zoo-good", disable=["zoo-good"])[("zoo-good", "zoo-good")]
    assert plugin.reason is not None
    assert plugin.reason.code == "plugin-disabled"


def test_a_built_in_keeps_its_name(zoo):
    found = zoo("zoo-thief")
    thief = found[("excel-workbook", "zoo-thief")]
    assert thief.reason is not None
    assert thief.reason.code == "plugin-name-taken"
    ours = found[("excel-workbook", "jianheng")]
    assert ours.reason is None or ours.reason.code != "plugin-name-taken"


def test_two_claims_of_a_free_name_set_both_aside(zoo):
    found = zoo("zoo-rival-a", "zoo-rival-b")
    rivals = [each for each in found.values() if each.id == "zoo-rival"]
    assert [each.reason and each.reason.code for each in rivals] == ["plugin-name-contested"] * 2
    assert "zoo-rival-a, zoo-rival-b" in rivals[0].reason.message().what


def test_a_claim_that_may_not_be_loaded_contests_nothing(zoo):
    found = zoo("zoo-rival-a", "zoo-rival-b", allow=["zoo-rival-a"])
    assert found[("zoo-rival", "zoo-rival-a")].enabled
    assert found[("zoo-rival", "zoo-rival-b")].reason.code == "plugin-not-allowed"


def test_a_manifest_that_contradicts_itself_is_told_with_every_place(tmp_path):
    """What can be meant in no sense is no manifest: a bound above its bound, a host that is an address."""
    (tmp_path / "adapter.toml").write_text(
        """id = "x"
kind = ["source"]
contract = 1
maturity = "bronze"
label = { zh = "某", en = "some" }
streams = ["case", "case"]
allowed_hosts = ["http://hr.example"]
options.a = { type = "integer", minimum = 5, maximum = 4 }
options.b = { type = "string", required = true, default = "x" }
options.c = { type = "string", access = "write" }
""",
        encoding="utf-8",
    )
    with pytest.raises(StopError) as raised:
        read_manifest(tmp_path / "adapter.toml")
    told = str(raised.value)
    for place in ("streams", "allowed_hosts", "options.a.minimum", "options.b.default", "options.c.access"):
        assert place in told


def test_all_faults_of_a_manifest_are_told_together(zoo):
    told = zoo("zoo-manifest")[("zoo-manifest", "zoo-manifest")].reason.message().what
    for place in ("kinds", "contract", "maturity"):
        assert place in told
    assert "kind" in told


def test_what_an_import_raises_is_told_without_personal_numbers(zoo):
    reason = zoo("zoo-raises")[("zoo-raises", "zoo-raises")].reason
    assert "370212199001011234" not in reason.message().as_text()
    assert reason.fields["at"].startswith("zoo_raises/__init__.py:")


def test_a_misspelt_hook_is_named_with_the_nearest(zoo):
    message = zoo("zoo-misspells")[("zoo-misspells", "zoo-misspells")].reason.message()
    assert "sorces" in message.what
    assert "sources" in message.do


def test_a_hanging_import_holds_nobody_longer_than_its_limit(zoo):
    began = time.monotonic()
    found = zoo("zoo-hangs", "zoo-good")
    assert time.monotonic() - began < QUICK_S + 10
    assert found[("zoo-good", "zoo-good")].enabled


def test_a_damaged_registration_is_told_and_hides_no_other(zoo, tmp_path):
    info = tmp_path / "site" / "zoo_damaged-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: zoo-damaged\nVersion: 1.0\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_bytes(b"[jianheng]\nzoo = zoo_damaged\n\xff\xfe = \n")
    (tmp_path / "site" / "leftover.dist-info").mkdir()
    found = zoo("zoo-good")
    assert found[("zoo-good", "zoo-good")].enabled
    assert found[("zoo-damaged", "zoo-damaged")].reason.code == "plugin-entry-points-bad"


def test_a_registration_without_its_code_is_told(zoo, tmp_path):
    info = tmp_path / "site" / "zoo_gone-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-gone\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[jianheng]\nzoo-gone = zoo_gone\n", encoding="utf-8")
    assert zoo("zoo-good")[("zoo-gone", "zoo-gone")].reason.code == "plugin-package-missing"


@pytest.mark.parametrize("value", ["!!!", "../../zoo_gone", "-"])
def test_a_registration_that_names_no_module_sets_that_one_aside(zoo, tmp_path, value):
    info = tmp_path / "site" / "zoo_gone-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-gone\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[jianheng]\nzoo-gone = {value}\n", encoding="utf-8")
    found = zoo("zoo-good")
    assert found[("zoo-good", "zoo-good")].enabled
    assert found[("zoo-gone", "zoo-gone")].reason.code == "plugin-package-missing"


def test_texts_of_a_plugin_are_added(zoo):
    zoo("zoo-good")
    assert messages.message("zoo-sick", {"animal": "东东"}).what == "东东 病了"


def test_policies_come_by_id_and_a_second_claim_of_one_is_set_aside(zoo):
    found = zoo("zoo-policies", "zoo-more-policies")
    folders = Registry(tuple(found.values())).policy_folders()
    assert "zoo-two" in folders
    assert "zoo-three" in folders
    assert "zoo-one" not in folders
    codes = [each.code for each in found[("zoo-policies", "zoo-policies")].notices]
    assert codes == ["plugin-policy-bad", "plugin-policy-twice"]


def test_calendars_come_by_name_ours_stand_and_what_two_others_bring_comes_from_neither(zoo):
    found = zoo("zoo-calendars", "zoo-more-calendars")
    files = Registry(tuple(found.values())).calendar_files()
    assert sorted(files) == ["china", "zoo-two"]
    assert files["china"].parent.parent.name == "jianheng_plugins"
    notices = found[("zoo-calendars", "zoo-calendars")].notices
    assert [(each.code, each.fields["policy"]) for each in notices] == [
        ("plugin-calendar-twice", "china"),
        ("plugin-calendar-twice", "zoo-one"),
    ]


@pytest.mark.parametrize("given", [None, [Path("china.toml")], {"china": "china.toml"}, {1: Path("x.toml")}])
def test_calendars_are_files_by_name_and_nothing_else(given):
    module = types.ModuleType("zoo")
    vars(module)["calendars"] = hookimpl(lambda: given)
    label = {"zh": "例", "en": "example"}
    manifest = Manifest(id="zoo", kind=("calendars",), contract=1, maturity="bronze", label=label)
    with pytest.raises(StopError) as refused:
        register(manifest, module)
    assert refused.value.code == "plugin-returned-wrong"


def test_the_registry_says_what_is_wrong_with_a_name(zoo):
    registry = Registry(tuple(zoo("zoo-good", "zoo-target", "zoo-raises").values()))
    assert callable(registry.source_factory("zoo-good"))
    assert callable(registry.target_factory("zoo-target"))
    for name, kind, code in (
        ("zoo-god", "source", "adapter-unknown"),
        ("zoo-good", "target", "adapter-wrong-kind"),
        ("zoo-raises", "source", "adapter-set-aside"),
    ):
        with pytest.raises(StopError) as raised:
            registry.plugin(name, kind)
        assert raised.value.code == code
    with pytest.raises(StopError, match="zoo-good"):
        registry.source_factory("zoo-god")


def test_names_that_belong_to_nothing_are_told(zoo):
    plugins = tuple(zoo("zoo-good").values())
    found = unknown_names(plugins, ["zoo-god", "zoo-good"], ["zoo-goof"])
    assert [(each.code, each.fields["nearest"]) for each in found] == [
        ("plugin-allow-unknown", "zoo-good"),
        ("plugin-disable-unknown", "zoo-good"),
    ]


def test_every_text_of_these_areas_speaks_both_languages():
    folder = Path(messages.__file__).parent
    import tomllib

    for area in ("config", "registry", "adapter", "cli"):
        for code, entry in tomllib.loads((folder / f"{area}.toml").read_text(encoding="utf-8")).items():
            assert set(entry) == {"zh", "en"}, code
            if isinstance(entry["zh"], dict):
                assert all(
                    set(part) == set(messages.PARTS) and all(part.values()) for part in entry.values()
                ), code


def test_no_code_of_others_is_imported_here_nor_anywhere_before_it_is_needed(zoo, tmp_path, monkeypatch):
    assert zoo("zoo-good", "zoo-misspells")[("zoo-good", "zoo-good")].isolation == "process"
    assert not [name for name in sys.modules if name.startswith("zoo_")]

    def started(*_given, **_named):
        raise AssertionError("a process was started")

    monkeypatch.setattr(process, "start", started)
    found = {each.id: each for each in discover(EVERYONE, examine=False) if each.distribution != "jianheng"}
    assert found["zoo-good"].enabled
    assert found["zoo-misspells"].enabled  # told when it is opened
    assert callable(Registry(tuple(found.values())).source_factory("zoo-good"))


def test_what_we_ship_offers_the_same_whether_it_is_imported_now_or_later():
    now, later = (
        [each for each in discover(examine=examine) if each.distribution == "jianheng"]
        for examine in (True, False)
    )
    assert now == later
    offered = [[(each.id, *each.sources, *each.targets) for each in found] for found in (now, later)]
    assert offered[0] == offered[1]
    assert [each.id for each in now if each.sources and each.targets] == ["archive-http"]


def test_a_machine_without_the_guards_is_told_and_nothing_is_set_aside(zoo, monkeypatch):
    monkeypatch.setattr(host, "examine", lambda *_, **__: host.Examined(guards=("audit", "seccomp")))
    plugin = zoo("zoo-good")[("zoo-good", "zoo-good")]
    assert plugin.enabled
    (notice,) = plugin.notices
    assert (notice.code, notice.fields["guards"]) == ("isolation-unguarded", "landlock")
