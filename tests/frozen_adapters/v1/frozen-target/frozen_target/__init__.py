"""A sample of contract 1: a target that writes every field it is given, once for each publication."""

import json

from jianheng.contract import Finding, Receipt
from jianheng.errors import RetryError, problem
from jianheng.hookspecs import hookimpl


class Folder:
    """Writes one JSON file a publication, named by its id."""

    def __init__(self, context):
        self.folder = context.options["folder"]

    def check(self):
        wrong = None if self.folder.is_dir() else problem("frozen-target-away", folder=self.folder)
        yield Finding("folder", wrong)

    def write(self, publication):
        if not self.folder.is_dir():
            raise RetryError("frozen-target-away", folder=self.folder)
        told = {
            "kind": publication.kind,
            "office": [publication.office, publication.office_name],
            "policy": [publication.policy, publication.policy_label, publication.policy_version],
            "period": [publication.period, publication.period_label],
            "span": [
                publication.start.isoformat(),
                publication.end.isoformat(),
                publication.as_of.isoformat(),
            ],
            "sheets": dict(publication.sheets),
            "people": [
                [
                    *(each.person_key, each.name, each.department, each.role, each.sheet),
                    *(
                        each.points,
                        each.final,
                        each.provisional,
                        each.rank,
                        each.of,
                        each.cases,
                        each.entries,
                    ),
                    *(
                        each.note,
                        each.grade,
                        each.state,
                        {name: list(at) for name, at in each.places.items()},
                    ),
                ]
                for each in publication.people
            ],
            "indicators": [
                [
                    *(each.person_key, each.sheet, each.indicator, each.label, each.parent, each.points),
                    *(each.provisional, each.entries, each.note, each.state, each.unit),
                ]
                for each in publication.indicators
            ],
            "entries": [
                [
                    *(
                        each.entry_id,
                        each.person_key,
                        each.rule_id,
                        each.indicator,
                        each.case_no,
                        each.item_kind,
                    ),
                    *(each.item_key, each.item_label, each.day.isoformat(), each.quantity, each.unit_points),
                    *(each.coefficient, each.share, each.points, each.withheld, each.state, each.reason),
                    each.evidence,
                ]
                for each in publication.entries
            ],
            "rules": [
                [
                    *(
                        each.rule_id,
                        each.label,
                        each.indicator,
                        each.sheet,
                        each.points,
                        each.cite,
                        each.assumed,
                    ),
                    *(str(each.since), str(each.until)),
                ]
                for each in publication.rules
            ],
            "cases": {
                number: [
                    *(each.case_no, each.category, each.category_name, str(each.accepted_on)),
                    *(str(each.closed_on), each.archived),
                ]
                for number, each in publication.cases.items()
            },
            "due": [
                [each.case_no, each.unit_code, each.handler_key, each.closed_on.isoformat()]
                for each in publication.due
            ],
            "notices": list(publication.notices),
        }
        file = self.folder / f"{publication.id}.json"
        file.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
        return Receipt(str(file), len(told["people"]) + len(told["due"]), detail=publication.kind)


@hookimpl
def targets():
    return {"frozen-target": Folder}
