"""The deployment's store, opened for a command and closed after it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from jianheng.cli.session import Session
from jianheng.config import Deployment, resolve_secrets, store_url
from jianheng.contract import Finding, Secret
from jianheng.errors import JianhengError, StopError, problem
from jianheng.facts.entities import ENTITIES
from jianheng.messages import text
from jianheng.store import moments
from jianheng.store.engine import check_connection, open_engine, open_store, schema_state, store_error
from jianheng.sync.seal import Keyring, keyring, with_keyring


@contextmanager
def store_of(session: Session) -> Iterator[sa.Engine]:
    """Open the deployment's store, ready for use, for as long as it is needed.

    Raises:
        StopError: its secret is missing, or the store is of another version.
        RetryError: nobody answers.
    """
    secrets = resolve_secrets(session.deployment, under="store", environ=session.environ)
    with _closing(open_store(store_url(session.deployment, secrets))) as store:
        yield store


@contextmanager
def sealed_store_of(session: Session) -> Iterator[sa.Engine]:
    """Open the deployment's store with the keys of its quarantine: what is set aside through it is sealed.

    Raises:
        FaultsError: a secret is missing.
        StopError: a key is too short, or the store is of another version.
        RetryError: nobody answers.
    """
    keys = keyring_of(session)
    with store_of(session) as store:
        yield with_keyring(store, keys)


@contextmanager
def bare_store_of(session: Session) -> Iterator[sa.Engine]:
    """Open the store as it is, whatever its version; raises as :func:`store_of`."""
    secrets = resolve_secrets(session.deployment, under="store", environ=session.environ)
    with _closing(open_engine(store_url(session.deployment, secrets))) as engine:
        check_connection(engine)
        yield engine


@contextmanager
def _closing(engine: sa.Engine) -> Iterator[sa.Engine]:
    """Close an engine's connections in the end."""
    try:
        yield engine
    finally:
        engine.dispose()


def keyring_of(session: Session) -> Keyring | None:
    """Return the keys of the deployment's quarantine, the one that seals first; None when it has none.

    Raises:
        FaultsError: a secret is missing.
        StopError: a key is too short.
    """
    found = resolve_secrets(session.deployment, under="quarantine", environ=session.environ)
    if found and "quarantine.key" not in found:
        raise StopError("quarantine-former-only", file=str(session.deployment.file))
    return keyring([each.reveal() for each in found.values()])


def check_quarantine(session: Session) -> Iterable[Finding]:
    """Say whether rows in quarantine are kept sealed, or not kept at all; change nothing."""
    keys = keyring_of(session)
    if keys is None:
        yield Finding("", detail=text("cli-doctor-quarantine-no-key"))
    else:
        told = text("cli-doctor-quarantine", number=keys.current.number, former=len(keys.keys) - 1)
        yield Finding("", detail=told)


def check_store(deployment: Deployment, secrets: Mapping[str, Secret]) -> Iterable[Finding]:
    """Say whether the store answers and has the tables this version needs; change nothing."""
    engine = open_engine(store_url(deployment, secrets))
    shown = engine.url.render_as_string(hide_password=True)
    try:
        with _closing(engine):
            check_connection(engine)
            has, wanted = schema_state(engine)
            late = _behind(engine, deployment.office.code) if has == wanted else ""
    except JianhengError as error:
        yield Finding(shown, error.problem)
        return
    if has is None:
        yield Finding(shown, detail=text("cli-doctor-store-empty"))
    elif has != wanted:
        yield Finding(shown, problem("store-outdated", has=has, wanted=wanted))
    else:
        yield Finding(shown, detail=text("cli-doctor-store", revision=has))
    if late:
        yield Finding(shown, problem("store-moments-behind", entities=late), warning=True)


def _behind(engine: sa.Engine, office: str) -> str:
    try:
        with engine.connect() as connection:
            return "、".join(ENTITIES[name].label for name in moments.behind(connection, office))
    except SQLAlchemyError as failed:
        raise store_error(failed, "doctor") from failed
