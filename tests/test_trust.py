"""A plugin of others is believed when somebody known signed exactly what runs, and nobody took it back."""

import datetime as dt
import hashlib
import json
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from isolated import context
from jianheng.boundary import Boundary
from jianheng.cli import ExitCode, main
from jianheng.config import load_deployment
from jianheng.contract import Source
from jianheng.errors import StopError
from jianheng.registry import Registry, discover
from jianheng.trust import installed, packing
from jianheng.trust.keys import new_key, public_of, signature, signer_of, signing_key
from jianheng.trust.rules import Revocation, Trust, read_revocations, trust_of
from plugins_zoo.install import install as install_beside
from wheelmaking import signed_animal, wheel

NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
KEY, OTHER = (signing_key(each * 32) for each in ("01", "02"))
OFFICE = """
[office]
code = "990101"
name = "滨海市东屿区人民检察院"
[policy]
pack = "laoshan"
periods = ["2024"]
[plugins]
allow = ["zoo-signed"]
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    return packing.pack(signed_animal(folder), KEY, folder, NOW)


@pytest.fixture
def trust(tmp_path):
    return Trust(publishers={"acme": public_of(KEY)}, folder=tmp_path / "plugins")


@pytest.fixture
def site(bundle, trust):
    return installed.install(bundle.file, trust).site


def found(trust, *, allow=("zoo-signed",), examine=False):
    (plugin,) = [
        each for each in discover(allow, examine=examine, trust=trust) if each.id.startswith("zoo-signed")
    ]
    return plugin


def code_of(raised):
    return raised.value.code


def test_a_signed_bundle_is_used_and_sees_its_own_libraries_and_the_contract_only(trust, site):
    plugin = found(trust, examine=True)
    assert (plugin.enabled, plugin.isolation, plugin.signature, plugin.publisher) == (
        True,
        "process",
        "signed",
        "acme",
    )
    with Boundary("signed", 30) as boundary:
        source = boundary.call(
            "open", Registry((plugin,)).source_factory("zoo-signed"), context(), returns=Source
        )
        (batch,) = boundary.iterate("read", source.read, "unit", None)
    assert batch.rows == [{"click": "0.0.7", "sees": ["click", "pyarrow", "pluggy"], "jianheng": False}]
    assert "zoo_signed" not in sys.modules
    assert sys.modules["click"].__file__ != str(site / "click" / "__init__.py")
    assert not list(site.rglob("*.pyc"))


def test_it_is_not_used_before_the_deployment_allows_it(trust, site):
    assert found(trust, allow=()).reason.code == "plugin-not-allowed"
    assert site.is_dir()


def alter_code(site):
    file = site / "zoo_signed" / "__init__.py"
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")


def link(site):
    file = site / "zoo_signed" / "__init__.py"
    file.rename(site.parent / "moved.py")
    file.symlink_to(site.parent / "moved.py")


def forge_choice(site):
    (site.parent / "installed.json").write_text('{"wheels": []}', encoding="utf-8")


@pytest.mark.parametrize(
    ("alter", "part"),
    [
        (alter_code, "site/zoo_signed/__init__.py"),
        (lambda site: (site / "zoo_signed" / "more.py").touch(), "site/zoo_signed/more.py"),
        (lambda site: (site / "click" / "__init__.py").unlink(), "site/click/__init__.py"),
        (link, "site/zoo_signed/__init__.py"),
        (forge_choice, "installed.json"),
    ],
)
def test_what_was_altered_after_installation_is_refused_before_it_runs(trust, site, alter, part):
    alter(site)
    plugin = found(trust, examine=True)
    assert (plugin.reason.code, plugin.reason.fields["part"]) == ("plugin-bundle-altered", part)
    assert plugin.signature == "refused"
    registry = Registry((found(trust),))
    with pytest.raises(StopError) as raised:
        registry.source_factory("zoo-signed")(context())
    assert code_of(raised) == "plugin-bundle-altered"


def test_what_says_of_itself_something_else_than_was_signed_is_refused(trust, site):
    manifest = site.parent / "bundle.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("1.0", "1.1"), encoding="utf-8")
    assert found(trust).reason.code == "plugin-signature-bad"
    manifest.unlink()
    assert found(trust).reason.code == "plugin-bundle-altered"


def test_a_folder_that_is_renamed_is_not_another_plugin(trust, site):
    shutil.move(site.parent, site.parent.with_name("zoo-signed-too"))
    assert found(trust).reason.code == "plugin-bundle-bad"


def rewritten(bundle, folder, change):
    """Return a copy of a bundle with its members changed: a function from name and content to content or None."""
    out = folder / "changed.jhplugin"
    with zipfile.ZipFile(bundle.file) as opened, zipfile.ZipFile(out, "w") as made:
        for name in opened.namelist():
            content = change(name, opened.read(name))
            if content is not None:
                made.writestr(name, content)
    return out


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda name, content: content + b"x" if name.endswith(".whl") else content, "plugin-bundle-altered"),
        (
            lambda name, content: content + b" " if name == "sbom.cdx.json" else content,
            "plugin-bundle-altered",
        ),
        (lambda name, content: content + b" " if name == "bundle.json" else content, "plugin-signature-bad"),
        (lambda name, content: b"{}" if name == "bundle.sig" else content, "plugin-signature-bad"),
        (lambda name, content: None if name.startswith("wheels/click") else content, "plugin-bundle-altered"),
        (lambda name, content: None if name == "bundle.sig" else content, "plugin-bundle-bad"),
    ],
)
def test_a_bundle_that_was_altered_is_not_installed(bundle, trust, tmp_path, change, code):
    with pytest.raises(StopError) as raised:
        installed.install(rewritten(bundle, tmp_path, change), trust)
    assert code_of(raised) == code
    assert list(installed.find_installed(trust)) == []


def test_what_stands_beside_the_signed_parts_is_not_installed_either(bundle, trust, tmp_path):
    file = rewritten(bundle, tmp_path, lambda _name, content: content)
    with zipfile.ZipFile(file, "a") as opened:
        opened.writestr("wheels/../../evil.py", "x")
    with pytest.raises(StopError) as raised:
        installed.install(file, trust)
    assert code_of(raised) == "plugin-bundle-altered"
    (tmp_path / "text.jhplugin").write_text("no bundle", encoding="utf-8")
    with pytest.raises(StopError) as raised:
        installed.install(tmp_path / "text.jhplugin", trust)
    assert code_of(raised) == "plugin-bundle-bad"


def test_another_publishers_signature_does_not_count(bundle, trust, site):
    stranger = replace(trust, publishers={"other": public_of(OTHER)})
    with pytest.raises(StopError) as raised:
        installed.install(bundle.file, stranger)
    assert code_of(raised) == "plugin-publisher-unknown"
    assert found(stranger).reason.code == "plugin-publisher-unknown"
    assert found(replace(trust, publishers={})).reason.code == "plugin-publisher-unknown"
    assert site.is_dir()


def test_what_is_revoked_is_refused_by_key_bundle_distribution_or_version(bundle, trust, site):
    (stands,) = installed.find_installed(trust)
    for given in (
        {"key": public_of(KEY)},
        {"bundle": stands.sealed.sha256},
        {"distribution": "Zoo_Signed"},
        {"distribution": "zoo-signed", "versions": ("1.0",)},
        {"distribution": "zoo-signed", "versions": ("0.9", "1.0.0")},
    ):
        revoked = replace(trust, revoked=(Revocation(reason="泄露", **given),))
        assert found(revoked).reason.code == "plugin-revoked"
        assert "泄露" in found(revoked).reason.message().what
        with pytest.raises(StopError) as raised:
            installed.install(bundle.file, revoked)
        assert code_of(raised) == "plugin-revoked"
    spared = replace(trust, revoked=(Revocation(reason="x", distribution="zoo-signed", versions=("0.9",)),))
    assert found(spared).enabled
    assert site.is_dir()


def test_unsigned_distributions_are_taken_while_no_publisher_is_named_or_by_name(
    trust, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path / "site")
    install_beside(tmp_path / "site", "zoo-good")

    def reason(trust, allow=("zoo-good",)):
        (plugin,) = [each for each in discover(allow, examine=False, trust=trust) if each.id == "zoo-good"]
        assert plugin.signature == "unsigned"
        return plugin.reason and plugin.reason.code

    assert reason(None) is None
    assert reason(replace(trust, publishers={})) is None
    assert reason(trust) == "plugin-unsigned"
    assert reason(replace(trust, unsigned=frozenset({"zoo-good"})), allow=()) is None
    assert (
        reason(replace(trust, revoked=(Revocation(reason="x", distribution="zoo-good"),))) == "plugin-revoked"
    )


def test_a_list_of_revocations_that_cannot_be_read_stops_everything_of_others(tmp_path):
    text = OFFICE + 'revoked = "revoked.toml"\n[plugins.publishers]\nacme = "' + public_of(KEY) + '"\n'
    (tmp_path / "deployment.toml").write_text(text, encoding="utf-8")
    deployment = load_deployment(tmp_path)
    assert trust_of(deployment).refusal_of_unsigned("x", "1").code == "plugin-revocations-bad"
    for wrong in (
        "[[revoked]]\nreason = 'x'\n",
        "[[revoked]]\nkey = 'x'\nreason = 'x'\n",
        "revoked = 5",
        "[",
    ):
        (tmp_path / "revoked.toml").write_text(wrong, encoding="utf-8")
        assert trust_of(deployment).broken.code == "plugin-revocations-bad"
    (tmp_path / "revoked.toml").write_text(
        f'[[revoked]]\nkey = "{public_of(OTHER)}"\nsince = 2026-01-05\nreason = "lost"\n', encoding="utf-8"
    )
    trust = trust_of(deployment)
    assert (trust.broken, trust.publishers, trust.folder) == (
        None,
        {"acme": public_of(KEY)},
        tmp_path / "plugins",
    )
    assert [each.since for each in read_revocations(tmp_path / "revoked.toml")] == [dt.date(2026, 1, 5)]


def test_a_signature_is_of_one_content_by_one_key_in_one_spelling():
    signed = signature(KEY, b"content")
    assert signer_of(b"content", signed) == public_of(KEY)
    assert signer_of(b"content ", signed) is None
    told = json.loads(signed)
    shouted = {**told, "key": "ed25519:" + told["key"].removeprefix("ed25519:").upper()}
    assert signer_of(b"content", json.dumps(shouted).encode()) is None
    for junk in (
        b"",
        b"[]",
        b"{",
        b'{"key": 5, "signature": "00"}',
        b'{"key": "ed25519:00", "signature": "zz"}',
    ):
        assert signer_of(b"content", junk) is None
    secret, public = new_key()
    assert public_of(signing_key(secret)) == public
    with pytest.raises(StopError) as raised:
        signing_key("short")
    assert code_of(raised) == "plugin-key-bad"


def test_the_same_wheels_give_the_same_bundle_and_say_what_is_in_it(bundle, tmp_path):
    again = packing.pack(signed_animal(tmp_path), KEY, tmp_path, NOW)
    assert again.manifest.needs == ("jianheng>=0.1", "pyarrow")
    with zipfile.ZipFile(again.file) as opened:
        bill = json.loads(opened.read("sbom.cdx.json"))
        assert hashlib.sha256(opened.read("sbom.cdx.json")).hexdigest() == again.manifest.sbom
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    told = {
        (each["name"], each["version"], each["licenses"][0]["license"]["name"]) for each in bill["components"]
    }
    assert told == {("click", "0.0.7", "Apache-2.0"), ("zoo-signed", "1.0", "Apache-2.0")}
    assert bundle.file.name == again.file.name == "zoo-signed-1.0.jhplugin"


def test_wheels_that_nothing_needs_stay_out(tmp_path):
    wheels = [*signed_animal(tmp_path), wheel(tmp_path, "unneeded"), wheel(tmp_path, "jianheng", "9.9")]
    made = packing.pack(wheels, KEY, tmp_path, NOW)
    assert made.left_out == ("unneeded-1.0-py3-none-any.whl",)
    assert [each.distribution for each in made.manifest.wheels] == ["zoo-signed", "click"]


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda folder: signed_animal(folder)[:1], "plugin-pack-missing"),
        (lambda folder: [wheel(folder, "nothing")], "plugin-pack-roots"),
        (lambda folder: [*signed_animal(folder), wheel(folder, "click", "0.0.8")], "plugin-pack-versions"),
        (lambda folder: [wheel(folder, "evil", files={"../evil.py": "x"})], "plugin-wheel-unfit"),
        (lambda folder: [wheel(folder, "evil", files={"/evil.py": "x"})], "plugin-wheel-unfit"),
        (lambda folder: [wheel(folder, "evil", files={"jianheng/contract.py": "x"})], "plugin-wheel-unfit"),
        (lambda folder: [wheel(folder, "evil", files={"evil-1.0.data/data/x": "x"})], "plugin-wheel-unfit"),
        (lambda folder: [wheel(folder, "evil", files={"a.py": "x", "A.py": "x"})], "plugin-wheel-unfit"),
        (lambda folder: [wheel(folder, "evil", requires=["not a requirement!"])], "plugin-wheel-unfit"),
        (lambda folder: [wheel(folder, "evil", plugins={"evil": ""})], "plugin-wheel-unfit"),
        (lambda folder: [wheel(folder, "evil", plugins={"evil": "../../evil"})], "plugin-wheel-unfit"),
        (lambda folder: [wheel(folder, "evil", plugins={"e" * 201: "evil"})], "plugin-wheel-unfit"),
        (lambda folder: [wheel(folder, "evil", python=">=3" + ",!=3.0" * 60)], "plugin-wheel-unfit"),
        (lambda folder: [wheel(folder, "evil").rename(folder / "evil.whl")], "plugin-wheel-unfit"),
    ],
)
def test_what_cannot_go_into_a_bundle_is_told(tmp_path, make, code):
    with pytest.raises(StopError) as raised:
        packing.pack(make(tmp_path), KEY, tmp_path, NOW)
    assert code_of(raised) == code
    assert list(tmp_path.glob("*.jhplugin")) == []


def test_what_a_wheel_carries_of_others_is_not_what_it_says_of_itself(tmp_path):
    files = {
        "aside/_vendor/other-1.dist-info/METADATA": "Name: other\nRequires-Dist: absent\n",
        "zoo/__init__.py": "",
    }
    made = packing.pack([wheel(tmp_path, "zoo", files=files, plugins={"zoo": "zoo"})], KEY, tmp_path, NOW)
    assert (made.manifest.distribution, dict(made.manifest.plugins)) == ("zoo", {"zoo": "zoo"})


INTRUDER = """
try:
    open({file!r}, "w").close()
except PermissionError:
    pass
raise SystemExit("intruder")
"""


@pytest.mark.parametrize(
    "taken", ["ipaddress.py", "queue.py", "faulthandler.py", "pyarrow/__init__.py", "pluggy.py"]
)
def test_no_code_of_a_bundle_runs_before_it_is_under_guard(tmp_path, trust, taken):
    """Neither in the place of the standard library nor of what the contract needs, which a plugin may bring itself."""
    outside = tmp_path / "outside"
    (own, click) = signed_animal(tmp_path)
    with zipfile.ZipFile(own) as opened:
        files = {
            each: opened.read(each).decode() for each in opened.namelist() if each.startswith("zoo_signed/")
        }
    own = wheel(
        tmp_path,
        "zoo-signed",
        files=files | {taken: INTRUDER.format(file=str(outside))},
        requires=["click"],
        plugins={"zoo-signed": "zoo_signed"},
    )
    installed.install(packing.pack([own, click], KEY, tmp_path, NOW).file, trust)
    plugin = found(trust, examine=True)
    assert not outside.exists()
    ours = "/" in taken or taken == "pluggy.py"
    assert plugin.enabled != ours, plugin.reason  # those of the standard library are never looked at


@pytest.mark.parametrize(
    "more",
    [{"python": ">=99"}, {"requires": ["jianheng>=99", "click"]}, {"tag": "cp311-cp311-win_arm64"}],
)
def test_a_bundle_that_does_not_fit_this_machine_is_not_installed(tmp_path, trust, more):
    made = packing.pack(signed_animal(tmp_path, **more), KEY, tmp_path, NOW)
    with pytest.raises(StopError) as raised:
        installed.install(made.file, trust)
    assert code_of(raised) == "plugin-bundle-not-here"


def test_of_wheels_for_several_machines_the_one_that_fits_is_laid_out(tmp_path, trust):
    elsewhere = wheel(tmp_path, "click", "0.0.7", {"click/windows.py": ""}, tag="cp311-cp311-win_arm64")
    made = packing.pack([*signed_animal(tmp_path), elsewhere], KEY, tmp_path, NOW)
    site = installed.install(made.file, trust).site
    assert sorted(each.name for each in (site / "click").iterdir()) == ["__init__.py"]
    assert found(trust).enabled


def test_a_newer_bundle_takes_the_place_of_the_older(tmp_path, trust, site):
    made = packing.pack(signed_animal(tmp_path, "2.0"), KEY, tmp_path, NOW)
    assert installed.install(made.file, trust).site == site
    assert found(trust).version == "2.0"
    installed.remove("zoo-signed", trust)
    assert list(trust.folder.iterdir()) == []
    with pytest.raises(StopError) as raised:
        installed.remove("zoo-signed", trust)
    assert code_of(raised) == "plugin-bundle-absent"


def test_from_the_key_to_the_plugin_in_use_by_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    wheels = [str(each) for each in signed_animal(tmp_path)]

    def run(*words, code=ExitCode.OK):
        assert main(["plugins", *words, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    key = run("keygen", "key")["public_key"]
    assert main(["plugins", "keygen", "key"]) == ExitCode.STOP
    capsys.readouterr()
    file = run("pack", *wheels, "--key", "key")["file"]
    assert run("verify", file)["key"] == key
    Path("deployment.toml").write_text(OFFICE, encoding="utf-8")
    assert run("verify", file, code=ExitCode.STOP)["errors"][0]["code"] == "plugin-publisher-unknown"
    Path("deployment.toml").write_text(OFFICE + f'[plugins.publishers]\nacme = "{key}"\n', encoding="utf-8")
    assert run("verify", file)["publisher"] == "acme"
    assert run("install", file)["folder"] == str(tmp_path / "plugins" / "zoo-signed")
    (listed,) = [each for each in run()["plugins"] if each["id"] == "zoo-signed"]
    told = {name: listed[name] for name in ("enabled", "isolation", "signature", "publisher")}
    assert told == {"enabled": True, "isolation": "process", "signature": "signed", "publisher": "acme"}
    assert run("remove", "zoo-signed") == {"ok": True, "removed": "zoo-signed"}
