"""The catalogue tells of every plugin that ships, and nothing that its manifest does not say."""

import os
import tomllib

from catalogue_page import catalogue_page
from document_pages import DOCS, ROOT, page, section


def test_the_catalogue_is_current():
    """When this fails: JIANHENG_WRITE_DOCS=1 python -m pytest tests/test_catalogue.py."""
    if os.environ.get("JIANHENG_WRITE_DOCS") == "1":
        (DOCS / "catalogue.md").write_text(catalogue_page(), encoding="utf-8")
    assert catalogue_page() == page("catalogue.md")


def test_the_catalogue_has_every_plugin_with_its_options_secrets_and_streams():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    manifests = [
        tomllib.loads(file.read_text(encoding="utf-8"))
        for root in ("adapters", "plugins")
        for file in (ROOT / root).rglob("adapter.toml")
    ]
    assert {each["id"] for each in manifests} == set(declared["entry-points"]["jianheng"])
    for each in manifests:
        told = section(page("catalogue.md"), each["id"])
        wanted = [
            *each.get("options", {}),
            *each.get("secrets", []),
            *(name for name in each.get("streams", []) if name != "*"),
        ]
        assert [name for name in wanted if f"`{name}`" not in told] == [], each["id"]
