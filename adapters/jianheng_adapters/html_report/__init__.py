"""Target: an offline web report, from the office down to each entry, its case and its rule."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from jianheng.contract import AdapterContext, Finding, Publication, Receipt, TargetFactory
from jianheng.hookspecs import hookimpl
from jianheng_adapters.html_report.site import write_site
from jianheng_adapters.output_folder import FolderCodes, check_folder, file_name, staged
from jianheng_adapters.scores_view import arrange

_CODES = FolderCodes(unusable="report-folder-unusable", full="report-disk-full", busy="report-folder-busy")
_LEAST_BYTES = 256 << 20


class HtmlReport:
    """Writes reports into a folder; the same office, policy and period replaces its report."""

    def __init__(self, context: AdapterContext) -> None:
        self._folder = Path(context.options["folder"])
        self._log = context.log

    def check(self) -> Iterable[Finding]:
        """Say whether the folder can be written and has room."""
        return [check_folder(self._folder, _CODES, _LEAST_BYTES)]

    def write(self, publication: Publication) -> Receipt:
        """Write the report of a publication, whole or not at all.

        Raises:
            StopError: the folder cannot be written or is full.
            RetryError: the earlier report is held open.
        """
        final = self._folder / file_name(publication.office, publication.policy, publication.period)
        with staged(final, _CODES) as folder:
            pages = write_site(folder, arrange(publication))
        self._log.info("report written", path=str(final), pages=pages)
        return Receipt(str(final / "index.html"), len(publication.entries), f"{pages} pages")


@hookimpl
def targets() -> Mapping[str, TargetFactory]:
    """Return this target."""
    return {"html-report": HtmlReport}
