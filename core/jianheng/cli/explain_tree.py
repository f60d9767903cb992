"""An explanation as a tree of lines on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.tree import Tree

from jianheng.cli.output import console
from jianheng.logs import redact
from jianheng.messages import text
from jianheng.scoring.explanation.entry import SHORT_ID

Told = Mapping[str, Any]

SHOWN_PER_RULE = 3


def print_tree(told: Told, most: int | None) -> None:
    """Print an explanation as a tree on stdout; ``most`` entries a rule, all when None."""
    for sheet in told["sheets"]:
        tree = Tree(_head(told, sheet), guide_style="dim")
        if not any(told["asked"].values()):
            _add_standing(tree, sheet)
        _add_policy(tree, told["policy"])
        for indicator in sheet["indicators"]:
            _add_indicator(tree, indicator, told, most)
        if sheet is told["sheets"][-1]:
            _add_uncounted(tree, told)
        console().print(tree, soft_wrap=True)
    if not told["sheets"]:
        person = {name: told["person"][name] for name in ("name", "key", "department")}
        tree = Tree(text("explain-nothing-asked-for", **person, period=told["period"]["label"]))
        _add_policy(tree, told["policy"])
        _add_uncounted(tree, told)
        console().print(tree, soft_wrap=True)


def _head(told: Told, sheet: Told) -> str:
    person = told["person"]
    who = {name: person[name] for name in ("name", "key", "department")}
    who |= {"role": sheet["label"], "period": told["period"]["label"]}
    if sheet["points"] is None:
        return text("explain-head-none", **who, reason=sheet["reason_text"])
    names = ("points", "final", "provisional", "place", "of", "label")
    return text("explain-head", **who, **{name: sheet[name] for name in names})


def _add_standing(tree: Tree, sheet: Told) -> None:
    for place in sheet["places"]:
        tree.add(text("explain-place", **{name: place[name] for name in ("label", "place", "of")}))
    grade = sheet.get("grade")
    if grade is None or sheet["points"] is None:
        return
    reason = f": {grade['reason_text']}" if grade["reason_text"] else ""
    known = grade["label"]
    branch = tree.add(
        text("explain-grade", label=known, reason=reason)
        if known
        else text("explain-no-grade", reason=reason)
    )
    if grade["consequence"]:
        branch.add(text("explain-consequence", told=grade["consequence"]))
    for band in grade["bands"]:
        bounds = "; ".join([band["words"], *([band["share"]["words"]] if "share" in band else [])])
        line = branch.add(text("explain-band", label=band["label"], bounds=bounds))
        for number in (*band["ends"].values(), *([band["share"]] if "share" in band else [])):
            _add_parameter(line, number)


def _add_policy(tree: Tree, policy: Told) -> None:
    version = policy["version"][:12]
    tree.add(text("explain-policy", label=policy["label"], version=version, source=policy["source"]))


def _add_indicator(tree: Tree, node: Told, told: Told, most: int | None) -> None:
    named = {"label": node["label"], "id": node["id"]}
    if node["points"] is None:
        branch = tree.add(text("explain-indicator-none", **named, reason=node["reason_text"]))
    else:
        names = ("points", "unit", "entries", "provisional")
        branch = tree.add(text("explain-indicator", **named, **{name: node[name] for name in names}))
    _add_basis(branch, node, whole=told["asked"]["indicator"] == node["id"])
    for rule in node["rules"]:
        _add_rule(branch, rule, told, most)
    for child in node["children"]:
        _add_indicator(branch, child, told, most)


def _add_basis(tree: Tree, node: Told, *, whole: bool) -> None:
    """Add what a number was made of: everything, or where it is more than a sum, the arithmetic and the parameters."""
    if node["kind"] == "sum" and not whole:
        return
    how = tree.add(text("explain-how", kind=node["kind_label"], calculation=node["calculation"] or "—"))
    if node.get("formula", {}).get("text"):
        how.add(node["formula"]["text"])
    if "group" in node:
        group = node["group"]
        size = "—" if group["size"] is None else group["size"]
        how.add(text("explain-group", label=group["label"], by="、".join(group["by"]), size=size))
    for tier in node.get("tiers", ()):
        if whole or tier["holds"]:
            mark, points = "●" if tier["holds"] else "○", tier["points"]["value"]
            line = how.add(text("explain-tier", mark=mark, bounds=tier["words"], points=points))
            for number in (*tier["ends"].values(), tier["points"]):
                _add_parameter(line, number)
    limits = [{"label": text(f"explain-basis-{name}"), **each} for name, each in node["limits"].items()]
    parts = [each for each in node["basis"] if each["name"] not in node["limits"]]
    for part in (*parts, *(limits if whole else ())):
        if whole:
            value = part["reason_text"] if part["value"] is None else part["value"]
            _add_parameter(how.add(text("explain-basis", label=part["label"], value=value)), part)
        else:
            _add_parameter(how, part)


def _add_parameter(tree: Tree, number: Told) -> None:
    read = number.get("parameter")
    if read is None:
        return
    names = ("name", "label", "value", "unit", "layer", "since", "cite")
    told = {name: read[name] for name in names}
    level = text(f"explain-level-{read['level']}")
    tree.add(redact(text("explain-parameter", **told, level=level, checked=_checked(read))))


def _checked(told: Told) -> str:
    """Say whether a number has no public source, and when somebody last compared it with its source."""
    verified = text("explain-verified", day=told["verified"]) if told["verified"] else ""
    return verified + (text("explain-assumed") if told["assumed"] else "")


def _add_rule(tree: Tree, rule: Told, told: Told, most: int | None) -> None:
    withheld = text("explain-withheld", withheld=rule["withheld"]) if rule["withheld"] != "0.000" else ""
    names = {name: rule[name] for name in ("id", "label", "points", "cite")}
    worth = "、".join(rule["unit_points"]) or "—"
    numbers = {"unit": rule["measure"]["unit"], "unit_points": worth, "count": len(rule["entries"])}
    branch = tree.add(text("explain-rule", **names, **numbers, withheld=withheld))
    if told["asked"]["rule"] or told["asked"]["entry"]:
        _add_law(branch, rule)
    listed: Sequence[Told] = rule["entries"] if most is None else rule["entries"][:most]
    for entry in listed:
        _add_entry(branch, entry, told, dated=len(rule["rows"]) > 1)
    if len(rule["entries"]) > len(listed):
        branch.add(text("explain-more", count=len(rule["entries"]) - len(listed)))


def _add_law(tree: Tree, rule: Told) -> None:
    """Add what a rule says: its rows, what it counts, and what bears on its points."""
    for row in rule["rows"]:
        told = {name: row[name] for name in ("span", "points", "cite")}
        conditions = "".join(f", {each}" for each in row["conditions"])
        tree.add(text("explain-row", **told, conditions=conditions, checked=_checked(row)))
    measure = rule["measure"]
    named = {name: measure[name] for name in ("label", "id", "unit", "cite")}
    branch = tree.add(text("explain-measure", **named, grain=measure["grain_label"]))
    for each in measure["definitions"]:
        fault = text("explain-definition-fault", fault=each["fault"]) if each["fault"] else ""
        said = {name: each[name] for name in ("span", "where", "quantity")}
        said |= {name: f"{each[f'{name}_label']} {each[name] or ''}".rstrip() for name in ("date", "actor")}
        branch.add(text("explain-definition", **said, fault=fault))
    for each in rule["team"]:
        line = branch.add(text("explain-team-weight", role=each["label"], value=each["value"] or "—"))
        _add_parameter(line, each)
    if rule["authority"] is not None:
        tree.add(text("explain-authority", cite=rule["authority"]["cite"]))
    for each in rule["gates"]:
        tree.add(text("explain-gate", label=each["label"], when=each["final_when"]))
    for factor in rule["factors"]:
        choices = "; ".join(_choice(each) for each in factor["choices"])
        line = tree.add(text("explain-factor", label=factor["label"], choices=choices))
        for each in factor["choices"]:
            _add_parameter(line, each)
    for each in rule["caps"]:
        per, allot = "、".join(each["per"]), text(f"explain-allot-{each['allot']}")
        line = tree.add(
            text("explain-cap", label=each["label"], per=per, allot=allot, limit=each["value"] or "—")
        )
        _add_parameter(line, each)


def _choice(choice: Told) -> str:
    declared = [text("explain-choice-declared", declared=choice["declared"])] if choice["declared"] else []
    when = text("explain-or").join([*([choice["when"]] if choice["when"] else []), *declared])
    return text("explain-choice", label=choice["label"], value=choice["value"] or "—", when=when)


def _add_entry(tree: Tree, entry: Told, told: Told, *, dated: bool) -> None:
    reason = f": {entry['reason_text']}" if entry["reason_text"] else ""
    if entry["until_gates"]:
        reason += text("explain-until-gate", gates="、".join(entry["until_gates"]))
    names = {name: entry[name] for name in ("day", "case_no", "item", "calculation")}
    line = text(
        "explain-entry", **names, state=entry["state_label"], reason=reason, id=entry["id"][:SHORT_ID]
    )
    branch = tree.add(redact(line))
    if dated and "span" in entry:
        branch.add(text("explain-entry-row", span=entry["span"], points=entry["unit_points"]))
    for factor in entry["factors"]:
        said = {name: factor[name] for name in ("label", "choice", "value")}
        _add_parameter(branch.add(text("explain-entry-factor", **said)), factor)
    for cap in entry["caps"]:
        said = {name: cap[name] for name in ("label", "taken")}
        _add_parameter(branch.add(text("explain-entry-cap", **said)), cap)
    fact = told["facts"].get(entry["fact"], {"records": []})
    if told["asked"]["entry"]:
        _add_fact(branch, fact, told["entities"][fact["entity"]])
    for record in fact["records"]:
        names = {name: record[name] for name in ("source", "locator", "recorded_at", "run", "content_hash")}
        current = "" if record["current"] else text("explain-superseded")
        branch.add(redact(text("explain-record", **names, current=current)))


def _add_fact(tree: Tree, fact: Told, entity: Told) -> None:
    branch = tree.add(redact(text("explain-fact", label=entity["label"], key=fact["key"])))
    for name, label in entity["columns"].items():
        value = "—" if fact["values"][name] is None else fact["values"][name]
        value = text("explain-denied") if name in fact["denied"] else value
        means = f" ({fact['means'][name]})" if name in fact["means"] else ""
        branch.add(redact(text("explain-column", label=label, name=name, value=f"{value}{means}")))


def _add_uncounted(tree: Tree, told: Told) -> None:
    rows = told["uncounted"]
    if not rows:
        return
    branch = tree.add(text("explain-uncounted"))
    for row in rows:
        item = row["item"] or row["measure"]
        line = branch.add(
            text("explain-uncounted-line", item=item, count=row["items"], reason=row["reason_text"])
        )
        for entry in row["entries"]:
            _add_entry(line, entry, told, dated=False)
