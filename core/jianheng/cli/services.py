"""What the working commands share: the policy, the periods, the office."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import sqlalchemy as sa

from jianheng.cli.session import Session
from jianheng.contract import Finding
from jianheng.errors import StopError
from jianheng.publish.office import Office
from jianheng.registry import Registry
from jianheng.scoring.law.period import Period, period
from jianheng.scoring.law.policy import Policy, load_policy
from jianheng.scoring.records.closed_periods import find_closed, law_as_closed


def check_policy(session: Session) -> Iterable[Finding]:
    """Load the policy with the office's own layer, and apply it to an office without a single case.

    That shows what reading alone does not: a rule whose types do not fit.
    """
    from jianheng.scoring.kernel.score import score  # it brings a database engine

    policy = policy_of(session)
    periods = periods_of(session, policy, ())
    for each in periods:
        score({}, policy, each, office_of(session).units)
    labels = "、".join(each.label for each in periods)
    yield Finding(policy.id, detail=f"{policy.label}: {labels}")


def office_of(session: Session) -> Office:
    """Return the office as publications name it; sources are believed in the order of the deployment."""
    deployment = session.deployment
    office = deployment.office
    return Office(office.code, office.name, tuple(office.scope), tuple(deployment.sources))


def policy_named(registry: Registry, pack: str, layer: Path | None = None) -> Policy:
    """Load an installed policy pack.

    Raises:
        StopError: no such pack is installed and allowed.
        FaultsError: everything wrong with it.
    """
    folders = registry.policy_folders()
    if pack not in folders:
        raise StopError("policy-not-found", pack=pack, where="[policy] pack")
    return load_policy(folders[pack], folders.get, layer, registry.calendar_files())


def policy_asked(
    session: Session, wanted: str | None, layer: Path | None = None, *, option: str = ""
) -> Policy:
    """Load a pack by name or by folder, or the deployment's; what a folder extends may stand beside it.

    Args:
        session: whose deployment and registry.
        wanted: what was typed; None for the deployment's own.
        layer: the office's own layer, to lie over it.
        option: the option behind which it was typed, if it was.

    Raises:
        StopError: it is neither.
        FaultsError: everything wrong with it.
    """
    if wanted is None:
        return policy_of(session)
    folder = Path(wanted).resolve()
    installed = session.registry.policy_folders()
    if not (folder / "policy.toml").is_file():
        if wanted not in installed:
            command = click.get_current_context().command_path
            typed = " ".join(each for each in (command, option, f'"{wanted}"') if each)
            raise StopError("policy-not-found", pack=wanted, where=typed)
        return policy_named(session.registry, wanted, layer)

    def find(name: str) -> Path | None:
        beside = folder.parent / name
        return beside if (beside / "policy.toml").is_file() else installed.get(name)

    return load_policy(folder, find, layer, session.registry.calendar_files())


def policy_of(session: Session) -> Policy:
    """Load the deployment's policy with the office's own layer."""
    named = session.deployment.policy
    layer = session.deployment.policy_layer
    if layer is not None and not layer.is_dir():
        raise StopError("policy-file-missing", file=str(layer))
    return policy_named(session.registry, named.pack, layer)


def laws_of(session: Session, store: sa.Engine, asked: Sequence[str]) -> list[tuple[Policy, Period]]:
    """Return periods with the law that their results are read by: the one a period was closed by, else today's.

    Raises:
        StopError: a period is unknown, or the law kept with a closed one is gone.
    """
    today, found = policy_of(session), []
    with store.connect() as connection:
        for name in dict.fromkeys(asked or session.deployment.policy.periods):
            closed = find_closed(connection, session.deployment.office.code, today.id, name)
            law = today if closed is None else law_as_closed(connection, closed)
            found.append((law, period(name, law.file.calendar)))
    return found


def periods_of(session: Session, policy: Policy, asked: Sequence[str]) -> list[Period]:
    """Return the periods asked for, or all configured ones, as the policy's calendar cuts them."""
    names = dict.fromkeys(asked or session.deployment.policy.periods)
    return [period(name, policy.file.calendar) for name in names]


def last_period_of(session: Session, policy: Policy, asked: str | None) -> Period:
    """Return the period asked for, or the last configured one."""
    return period(asked or session.deployment.policy.periods[-1], policy.file.calendar)
