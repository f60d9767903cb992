"""Target: notices as files in a folder, one each, where a mail or message gateway picks them up."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from jianheng.contract import AdapterContext, Finding, Publication, Receipt, TargetFactory
from jianheng.errors import StopError
from jianheng.hookspecs import hookimpl
from jianheng_adapters.output_folder import FolderCodes, check_folder, file_name, staged

_CODES = FolderCodes(unusable="notices-folder-unusable", full="notices-disk-full", busy="notices-folder-busy")
_LEAST_BYTES = 16 << 20


class NoticeFolder:
    """Writes notices into a folder. A file that the gateway took away is not written again: the outbox sends once."""

    def __init__(self, context: AdapterContext) -> None:
        self._folder = Path(context.options["folder"])

    def check(self) -> Iterable[Finding]:
        """Say whether the folder can be written and has room."""
        return [check_folder(self._folder, _CODES, _LEAST_BYTES)]

    def write(self, publication: Publication) -> Receipt:
        """Write one notice as a file whose name sorts by time; the same one replaces itself.

        Raises:
            StopError: the folder cannot be written or is full, or this is no notice.
            RetryError: the file is held open.
        """
        notice = publication.notice
        if notice is None:
            raise StopError("notices-not-one", kind=publication.kind)
        state = "over" if notice.over else "began"
        name = file_name(
            f"{notice.at:%Y%m%dT%H%M%S}", notice.about, notice.subject, state, publication.id[:8]
        )
        told = {
            "office": publication.office,
            "office_name": publication.office_name,
            "key": notice.key,
            "state": state,
            "about": notice.about,
            "subject": notice.subject,
            "at": notice.at.isoformat(timespec="seconds"),
            "needs_person": notice.needs_person,
            "title": notice.title,
            "text": notice.text,
            "codes": list(notice.codes),
        }
        final = self._folder / f"{name}.json"
        with staged(final, _CODES) as draft:
            draft.write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        return Receipt(str(final), 1)


@hookimpl
def targets() -> Mapping[str, TargetFactory]:
    """Return this target."""
    return {"notice-folder": NoticeFolder}
