"""What cannot answer: the part of a condition that stops the whole statement and tells why."""

from sqlglot import exp


def fails(told: exp.Expr) -> exp.Expr:
    """Return the expression that stops the statement and tells why; only ever reached through CASE or COALESCE."""
    return exp.Anonymous(this="ERROR", expressions=[told])


def can_fail(compiled: exp.Expr) -> bool:
    """Return whether a compiled part may stop the statement."""
    return any(str(each.this) == "ERROR" for each in compiled.find_all(exp.Anonymous))


def told(*parts: str | exp.Expr) -> exp.Expr:
    """Return texts and values, one after the other, as one text."""
    shown = [
        exp.Literal.string(part) if isinstance(part, str) else exp.cast(part.copy(), "VARCHAR")
        for part in parts
    ]
    whole: exp.Expr = shown[0]
    for part in shown[1:]:
        whole = exp.DPipe(this=whole, expression=part)
    return whole
