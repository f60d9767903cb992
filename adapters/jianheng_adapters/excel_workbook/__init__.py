"""Target: one Excel workbook per publication, with a sheet a person down to the last entry."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from jianheng.contract import AdapterContext, Finding, Publication, Receipt, TargetFactory
from jianheng.hookspecs import hookimpl
from jianheng_adapters.excel_workbook.workbook import write_workbook
from jianheng_adapters.output_folder import FolderCodes, check_folder, file_name, staged
from jianheng_adapters.scores_view import arrange

_CODES = FolderCodes(
    unusable="workbook-folder-unusable", full="workbook-disk-full", busy="workbook-file-open"
)
_LEAST_BYTES = 64 << 20


class ExcelWorkbook:
    """Writes workbooks into a folder; the same office, policy and period replaces its workbook."""

    def __init__(self, context: AdapterContext) -> None:
        self._folder = Path(context.options["folder"])
        self._log = context.log

    def check(self) -> Iterable[Finding]:
        """Say whether the folder can be written and has room."""
        return [check_folder(self._folder, _CODES, _LEAST_BYTES)]

    def write(self, publication: Publication) -> Receipt:
        """Write the workbook of a publication, whole or not at all.

        Raises:
            StopError: the folder cannot be written, is full, or a person has too many entries.
            RetryError: the earlier workbook is held open.
        """
        name = file_name(publication.office, publication.policy, publication.period) + ".xlsx"
        final = self._folder / name
        with staged(final, _CODES) as path:
            write_workbook(path, arrange(publication))
        self._log.info("workbook written", path=str(final), entries=len(publication.entries))
        return Receipt(str(final), len(publication.entries))


@hookimpl
def targets() -> Mapping[str, TargetFactory]:
    """Return this target."""
    return {"excel-workbook": ExcelWorkbook}
