"""A signed bundle: one file with everything a plugin needs, what is in it, and who vouches for it.

A zip file with ``bundle.json`` (all that is signed: every wheel and every file of each with its hash),
``bundle.sig``, ``sbom.cdx.json`` and ``wheels/``. What it says is believed only after its signature was found to
be of that content; whose signature counts is :mod:`.rules`.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jianheng.errors import StopError
from jianheng.trust import keys
from jianheng.trust.wheels import MOST_FILES, Wheel, is_unsafe

HOST = "jianheng"
FORMAT = 1
SUFFIX = ".jhplugin"
MANIFEST, SIGNATURE, SBOM, WHEELS = "bundle.json", "bundle.sig", "sbom.cdx.json", "wheels/"
MOST_MANIFEST = 64 << 20
MOST_BUNDLE = 2 << 30
_MOMENT = (1980, 1, 1, 0, 0, 0)

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=100)]
Word = Annotated[str, Field(min_length=1, max_length=200)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class WheelPart(_Strict):
    """One wheel: its file, and every path it lays in a site folder with its SHA-256."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+!-]+\.whl$", max_length=300)]
    distribution: Name
    version: Word
    sha256: Digest
    files: Annotated[Mapping[str, Digest], Field(max_length=MOST_FILES)]


class Manifest(_Strict):
    """All that is signed.

    Attributes:
        distribution: whose bundle it is.
        version: its version.
        plugins: ids of its plugins, with their modules.
        python: which Python it needs.
        needs: what it needs of the host: Jianheng itself, and libraries that the contract brings.
        wheels: its own and those it depends on; several of one distribution are for different machines.
        sbom: SHA-256 of the bill of materials.
        made_at: when, in UTC.
    """

    format: Annotated[int, Field(ge=1, le=FORMAT)] = FORMAT
    distribution: Name
    version: Word
    plugins: Annotated[Mapping[Word, Word], Field(min_length=1)]
    python: Annotated[str, Field(max_length=200)] = ""
    needs: Annotated[tuple[Word, ...], Field(strict=False)] = ()
    wheels: Annotated[tuple[WheelPart, ...], Field(strict=False, min_length=1, max_length=2000)]
    sbom: Digest
    made_at: Word

    def written(self) -> bytes:
        """Return the bytes that are signed, the same for the same content."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, indent=1).encode()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A manifest whose signature is of its content: by which key, and the hash that names the bundle."""

    manifest: Manifest
    key: str
    sha256: str


def read_seal(where: str, content: bytes, signed: bytes) -> Sealed:
    """Return a manifest whose signature is of its content.

    Raises:
        StopError: the signature is not, or the content is no manifest.
    """
    key = keys.signer_of(content, signed)
    if key is None:
        raise StopError("plugin-signature-bad", file=where)
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(each) for each in first["loc"])
        raise StopError("plugin-bundle-bad", file=where, detail=f"{MANIFEST} {place}") from None
    if manifest.distribution == HOST:
        raise StopError("plugin-bundle-bad", file=where, detail=HOST)
    for wheel in manifest.wheels:
        unsafe = next((path for path in wheel.files if is_unsafe(path)), None)
        if unsafe is not None:
            raise StopError("plugin-bundle-bad", file=where, detail=unsafe)
    return Sealed(manifest, key, hashlib.sha256(content).hexdigest())


def write_bundle(out: Path, manifest: Manifest, signed: bytes, sbom: bytes, wheels: Sequence[Wheel]) -> None:
    """Write a bundle; the same content gives the same bytes."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as opened:
        for name, content in ((MANIFEST, manifest.written()), (SIGNATURE, signed), (SBOM, sbom)):
            opened.writestr(zipfile.ZipInfo(name, _MOMENT), content)
        for wheel in wheels:
            opened.writestr(zipfile.ZipInfo(WHEELS + wheel.file.name, _MOMENT), wheel.file.read_bytes())


def unpack_bundle(file: Path, folder: Path) -> tuple[Sealed, dict[str, bytes]]:
    """Check a bundle and lay its wheels into a folder, as files only.

    Returns:
        What was signed, and the small files of the bundle by name.

    Raises:
        StopError: it is none, was altered, or holds what was not signed.
    """
    shown = file.name
    try:
        if file.stat().st_size > MOST_BUNDLE:
            raise StopError("plugin-bundle-bad", file=shown, detail=f"> {MOST_BUNDLE}")
        with zipfile.ZipFile(file) as opened:
            small = {name: _small(shown, opened, name) for name in (MANIFEST, SIGNATURE, SBOM)}
            sealed = read_seal(shown, small[MANIFEST], small[SIGNATURE])
            _check_names(shown, opened, sealed.manifest)
            if hashlib.sha256(small[SBOM]).hexdigest() != sealed.manifest.sbom:
                raise StopError("plugin-bundle-altered", file=shown, part=SBOM)
            for wheel in sealed.manifest.wheels:
                content = opened.read(WHEELS + wheel.file)
                if hashlib.sha256(content).hexdigest() != wheel.sha256:
                    raise StopError("plugin-bundle-altered", file=shown, part=wheel.file)
                (folder / wheel.file).write_bytes(content)
    except (zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError) as error:
        raise StopError("plugin-bundle-bad", file=shown, detail=str(error)[:200]) from None
    except OSError as error:
        raise StopError("plugin-bundle-bad", file=shown, detail=error.strerror or str(error)) from None
    return sealed, small


def _check_names(shown: str, opened: zipfile.ZipFile, manifest: Manifest) -> None:
    wanted = [MANIFEST, SIGNATURE, SBOM, *(WHEELS + each.file for each in manifest.wheels)]
    found = opened.infolist()
    if sorted(each.filename for each in found) != sorted(set(wanted)) or len(wanted) != len(set(wanted)):
        extra = sorted({each.filename for each in found} ^ set(wanted))
        raise StopError("plugin-bundle-altered", file=shown, part=", ".join(extra)[:200] or "—")
    if sum(each.file_size for each in found) > MOST_BUNDLE:
        raise StopError("plugin-bundle-bad", file=shown, detail=f"> {MOST_BUNDLE}")


def _small(shown: str, opened: zipfile.ZipFile, name: str) -> bytes:
    if opened.getinfo(name).file_size > MOST_MANIFEST:
        raise StopError("plugin-bundle-bad", file=shown, detail=name)
    return opened.read(name)


def bill_of_materials(manifest_name: str, version: str, wheels: Iterable[Wheel], made_at: str) -> bytes:
    """Return what is in a bundle as CycloneDX 1.5: every distribution with version, hash and licence."""
    found = sorted(wheels, key=lambda each: (each.distribution, each.file.name))
    components: list[dict[str, Any]] = []
    for each in found:
        named = {"name": each.distribution, "version": each.version}
        component = {
            "type": "library",
            "bom-ref": f"pkg:pypi/{each.distribution}@{each.version}?file_name={each.file.name}",
            **named,
            "purl": f"pkg:pypi/{each.distribution}@{each.version}",
            "hashes": [{"alg": "SHA-256", "content": each.sha256}],
        }
        if each.license:
            component["licenses"] = [{"license": {"name": each.license}}]
        components.append(component)
    told = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": made_at,
            "component": {
                "type": "application",
                "bom-ref": f"{manifest_name}@{version}",
                "name": manifest_name,
                "version": version,
            },
        },
        "components": components,
    }
    return json.dumps(told, ensure_ascii=False, indent=1).encode()
