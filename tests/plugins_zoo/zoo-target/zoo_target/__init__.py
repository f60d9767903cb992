"""A target that does everything right."""

from jianheng.contract import Finding, Receipt
from jianheng.hookspecs import hookimpl


class Cage:
    def check(self):
        return [Finding("cage")]

    def write(self, publication):
        return Receipt("cage", 0)


@hookimpl
def targets():
    return {"zoo-target": lambda context: Cage()}
