"""The plan: the statements that turn items into ledger lines, one set at a time.

Each statement makes one table; read from top to bottom they are the path of a point. Items and the
policy's tables are there when the first one runs. What a policy does not use is not in its plan.

Only forms that every engine has: text, BIGINT and DATE columns, ``//`` on integers, windows in a total
order. That is what makes the ledger the same on each of them.
"""

from collections.abc import Iterator

from jianheng.scoring.kernel.plan_ledger import ledger, sheets, told_sql
from jianheng.scoring.kernel.plan_limits import REASONS, limits
from jianheng.scoring.kernel.plan_rules import COMBINATIONS, MATCHED, PERMITTED, THINGS, candidates
from jianheng.scoring.kernel.plan_tables import (
    NEVER,
    gate_patterns,
    measure_numbers,
    spans,
)
from jianheng.scoring.kernel.plan_team import HELD, MEMBER, rank_sql, team
from jianheng.scoring.law.compiled import CompiledFactor
from jianheng.scoring.law.points import half_up_sql
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.law.sizes import exact, sizes


def steps(policy: Policy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the statements of a policy's plan, in order, in two parts.

    The first makes ``line``: everything that a case alone decides. Between the two, ``carried`` takes
    lines of other cases that share a cap with these; the second makes ``ledger``.
    """
    shares = has_team(policy)
    made = [MEMBER, HELD, *_best_choices(policy)]
    made += [team(policy)] if shares else []
    made += [THINGS, COMBINATIONS, PERMITTED, candidates(policy), MATCHED]
    made += [_subject(policy, shares=shares), _priced(policy), _line(policy, shares=shares)]
    return tuple(made), (*limits(policy), *ledger(policy))


def has_team(policy: Policy) -> bool:
    """Return whether anything this policy counts is shared by a case's team."""
    return any(each.team or any(change.team for change in each.changes) for each in policy.measures.values())


_ITEM = (
    "measure_no",
    "case_no",
    "item_key",
    "item_label",
    "fact_hash",
    "code",
    "category",
    "day",
    "quantity",
)
"""What of an item goes with it on its way."""


def _faults(policy: Policy) -> tuple[str, ...]:
    return ("fault",) if any(row.fault for row in policy.points) else ()


def _subject(policy: Policy, *, shares: bool) -> str:
    """Items and whom they count for: one person, or everyone in the case's team, or nobody where there is none."""
    own = [*_ITEM, *_faults(policy), *(f"factor_{each.id}" for each in policy.factors if each.over == "item")]
    told = ", ".join(f"i.{name}" for name in own)
    members = f"""
UNION ALL
SELECT {told}, true AS shared, t.person_key, t.role, t.post_level, t.inside,
  coalesce(t.weight, 0), coalesce(t.so_far, 0), coalesce(t.whole, 0)
FROM item i LEFT JOIN team t ON t.case_no = i.case_no AND i.day >= t.since AND i.day < t.until
WHERE i.team"""
    one = "CAST(1 AS BIGINT)"
    return f"""
CREATE TEMP VIEW subject AS
SELECT {told}, false AS shared, i.actor AS person_key,
  CASE WHEN i.actor IS NOT NULL THEN coalesce(nullif(h.role, ''), m.role, '') END AS role,
  coalesce(h.post_level, '') AS post_level, h.inside, {one} AS weight, {one} AS so_far, {one} AS whole
FROM item i LEFT JOIN held h ON h.person_key = i.actor AND i.day >= h.since AND i.day < h.until
LEFT JOIN member m ON m.case_no = i.case_no
  AND m.person_key = CASE WHEN h.role IS NULL OR h.role = '' THEN i.actor END
WHERE NOT i.team{members if shares else ""}
"""


def choice_sql(factor: CompiledFactor) -> str:
    """Return the expression over the case view that gives the choices of a factor that hold for a case."""
    holds = []
    for each in factor.choices:
        declared = (
            "EXISTS (SELECT 1 FROM fact_declaration d WHERE d.case_no = t.case_no"
            f" AND d.kind = '{each.declared}' AND d.decision = 'approved')"
        )
        ways = [f"({each.when_sql})"] if each.when_sql else []
        ways += [declared] if each.declared else []
        holds.append((" OR ".join(ways), f"'{each.id}'"))
    if factor.take == "first":
        return f"CASE {' '.join(f'WHEN {way} THEN {choice}' for way, choice in holds)} END"
    listed = ", ".join(f"CASE WHEN {way} THEN {choice} END" for way, choice in holds)
    return f"nullif(concat_ws(';', {listed}), '')"


def _bears(policy: Policy, factor: CompiledFactor) -> str:
    """Return the condition that keeps a factor to its measures; over items their own column says it."""
    if not factor.measures or factor.over == "item":
        return ""
    numbers = measure_numbers(policy)
    return f"s.measure_no IN ({', '.join(str(numbers[each]) for each in factor.measures)})"


def _takes_best(factor: CompiledFactor) -> bool:
    return factor.take == "best" and len(factor.choices) > 1


def _best_choices(policy: Policy) -> Iterator[str]:
    """Of every set of choices that hold together somewhere, the largest on each span of days; of equals the first."""
    for n, each in enumerate(policy.factors):
        if _takes_best(each):
            source = "case_row" if each.over == "case" else "counted"
            yield f"""
CREATE TEMP TABLE best_{n} AS
WITH pick AS (
  SELECT h.held, f.place, f.since, f.until, f.permille, f.row_no
  FROM (SELECT DISTINCT factor_{each.id} AS held FROM {source} WHERE factor_{each.id} IS NOT NULL) h
  JOIN factor_{n} f ON contains(concat(';', h.held, ';'), concat(';', f.held, ';'))
),
edge AS (SELECT held, since AS day FROM pick UNION SELECT held, until FROM pick),
span AS (SELECT held, day AS since, lead(day) OVER (PARTITION BY held ORDER BY day) AS until FROM edge),
ranked AS (
  SELECT s.held, s.since, s.until, p.permille, p.row_no,
    row_number() OVER (PARTITION BY s.held, s.since ORDER BY p.permille DESC, p.place) AS rank
  FROM span s JOIN pick p ON p.held = s.held AND p.since <= s.since AND s.until <= p.until
)
SELECT held, since, until, permille, row_no FROM ranked WHERE rank = 1
"""


def _steady(policy: Policy, factor: CompiledFactor) -> bool:
    """Return whether a factor's numbers stay the same all the time, so that no day need be asked."""
    first = policy.file.since
    return all(
        len(found) == 1 and found[0][0] <= first and found[0][1] == NEVER
        for found in (spans(policy.layers, each.value) for each in factor.choices)
    )


def _priced(policy: Policy) -> str:
    """One row per item, person and rule, with what the item is worth before it is shared, and whether it is final."""
    joins, permille, rows = [], [], []
    for n, each in enumerate(policy.factors):
        held = f"{'z' if each.over == 'case' else 's'}.factor_{each.id}"
        bears = _bears(policy, each)
        if _steady(policy, each) and not _takes_best(each):
            choices = " ".join(f"WHEN '{one.id}' THEN {place}" for place, one in enumerate(each.choices))
            row = f"CASE {held} {choices} END"
            row = f"CASE WHEN {bears} THEN {row} END" if bears else row
            rows.append(f"{row} AS factor_{n}")
            permille.append(f"({told_sql(policy, n, row, 'permille')})")
        else:
            joins.append(
                f"LEFT JOIN {'best' if _takes_best(each) else 'factor'}_{n} f{n} ON f{n}.held = {held}"
                f" AND s.day >= f{n}.since AND s.day < f{n}.until{f' AND {bears}' if bears else ''}"
            )
            permille.append(f"coalesce(f{n}.permille, 1000)")
            rows.append(f"f{n}.row_no AS factor_{n}")
    _, of_measure = gate_patterns(policy)
    gates = " ".join(
        f"WHEN {measure} THEN z.final_{pattern}" for measure, pattern in sorted(of_measure.items())
    )
    final = f"coalesce(CASE s.measure_no {gates} END, true)" if gates else "true"
    if gates or any(each.over == "case" for each in policy.factors):
        joins.insert(0, "LEFT JOIN case_row z ON z.case_no = s.case_no")
    widen, narrow = exact(sizes(policy).product)
    product = " * ".join((widen("m.unit_points"), "s.quantity", *permille))
    worth = narrow(half_up_sql(f"({product})", 1000 ** len(permille)) if permille else product)
    kept = ", ".join(f"s.{name}" for name in (*_KEPT, *_faults(policy)))
    return f"""
CREATE TEMP VIEW priced AS
SELECT {kept}, s.shared, s.weight, s.so_far, s.whole, m.rule_no, m.allowed, {final} AS final,
  {worth} AS item_points{"".join(f", {each}" for each in rows)}
FROM subject s
LEFT JOIN matched m ON m.measure_no = s.measure_no AND m.code = s.code AND m.category = s.category
  AND m.role = s.role AND m.post_level = s.post_level AND s.day >= m.since AND s.day < m.until
{" ".join(joins)}
"""


_KEPT = (
    "measure_no",
    "case_no",
    "item_key",
    "item_label",
    "fact_hash",
    "day",
    "quantity",
    "person_key",
    "role",
    "inside",
)


def _apart(policy: Policy) -> list[int]:
    """Return the measures whose rules may tell members of one team apart, so that each rule has sharers of its own."""
    named = {row.measure for row in policy.points if row.role} | {row.measure for row in policy.authority}
    return sorted(number for name, number in measure_numbers(policy).items() if name in named)


def _line(policy: Policy, *, shares: bool) -> str:
    """One row per ledger line: the part of each person, what stands against it, whether it is final.

    An actor has the whole; in a team each has the difference of two cumulative shares. ``worth`` is what the
    shares of an item must sum to, where it is shared at all.
    """
    factors = "".join(f", factor_{n}" for n in range(len(policy.factors)))
    keep = ", ".join((*_KEPT, *_faults(policy), "rule_no", "allowed", "final")) + factors
    worth = ", CASE WHEN shared AND whole <> 0 THEN item_points END AS worth" if shares else ""
    widen, narrow = exact(sizes(policy).split)
    size = widen("abs(item_points)")
    split = narrow(f"(({size} * so_far) // whole - ({size} * (so_far - weight)) // whole)")
    due = (
        "CASE WHEN whole = 0 THEN 0 WHEN weight = whole THEN item_points"
        f" ELSE (CASE WHEN item_points < 0 THEN -1 ELSE 1 END) * {split} END"
    )
    share = "CASE WHEN whole = 0 THEN 0 ELSE weight * 1000 // whole END"
    apart = _apart(policy) if shares else []
    numbers = ", ".join(map(str, apart))
    parts = f"SELECT {keep}, {due} AS due, {share} AS share{worth} FROM priced"
    if apart:
        parts = f"""{parts} WHERE NOT shared OR measure_no NOT IN ({numbers})
  UNION ALL
  SELECT {keep}, {due}, {share}{worth} FROM (
    SELECT {keep}, shared, weight, item_points, CAST(sum(weight) OVER (PARTITION BY measure_no, item_key, rule_no) AS BIGINT) AS whole,
      CAST(sum(weight) OVER (PARTITION BY measure_no, item_key, rule_no ORDER BY {rank_sql("role")}, person_key
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT) AS so_far
    FROM priced WHERE shared AND measure_no IN ({numbers})
  ) summed"""
    number = {reason: n for n, reason in enumerate(REASONS)}
    places = " ".join(
        f"WHEN '{role}' THEN {place}" for place, (role, _) in enumerate(sheets(policy), start=1)
    )
    reason = (
        f"CASE WHEN p.person_key IS NULL THEN {number['no-person']}"
        f" WHEN p.inside IS NULL THEN {number['unknown-person']} WHEN p.rule_no IS NULL THEN {number['no-rule']}"
        f" WHEN NOT p.inside THEN {number['outside-office']} WHEN NOT p.allowed THEN {number['not-authorised']}"
        f" WHEN p.sheet_place = 0 THEN {number['no-sheet']} ELSE 0 END"
    )
    told = "".join(f", p.factor_{n}" for n in range(len(policy.factors)))
    fault = "".join(f", p.{name}" for name in _faults(policy))
    return f"""
CREATE TEMP TABLE line AS
WITH part AS (SELECT *, coalesce(CASE role {places} END, 0) AS sheet_place FROM ({parts}) whole)
SELECT p.measure_no, p.case_no, p.item_key, p.item_label, p.fact_hash, p.day, p.quantity, p.person_key, p.sheet_place, p.rule_no,
  coalesce(p.due, 0) AS due, p.share, {reason} AS reason_no, p.final{told}{fault}{", p.worth" if shares else ""}
FROM part p
"""
