"""What commands share: the flags, the deployment and the registry."""

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jianheng.cli.output import console
from jianheng.logs import configure_logs

if TYPE_CHECKING:
    from rich.progress import Progress

    from jianheng.config import Deployment
    from jianheng.registry import Registry

CONFIG_VARIABLE = "JIANHENG_CONFIG"


@dataclass(frozen=True, slots=True)
class Flags:
    """The options every command takes."""

    config: Path | None = None
    json: bool = False
    verbose: bool = False
    quiet: bool = False


class Session:
    """One run of the command line. What a command does not ask for is not loaded."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self.flags = Flags()
        self.examines = False
        """Whether all plugins are imported once, those of others in processes of their own, to know what is wrong with them."""

    @property
    def config_path(self) -> Path:
        """Where the deployment is: the option, else the environment, else the current folder."""
        from jianheng.config import FILE_NAME

        return self.flags.config or Path(self.environ.get(CONFIG_VARIABLE) or FILE_NAME)

    @property
    def has_deployment(self) -> bool:
        """Whether somebody named a deployment, or one stands in the current folder."""
        return self.flags.config is not None or CONFIG_VARIABLE in self.environ or self.config_path.exists()

    @cached_property
    def deployment(self) -> "Deployment":
        """The deployment.

        Raises:
            FaultsError: everything that is wrong with it.
        """
        from jianheng.config import load_deployment

        return load_deployment(self.config_path)

    @cached_property
    def registry(self) -> "Registry":
        """All plugins, as the deployment allows them; built-ins only when there is no deployment."""
        from jianheng.registry import Registry, discover
        from jianheng.trust.rules import trust_of

        if not self.has_deployment:
            return Registry(discover(examine=self.examines))
        plugins = self.deployment.plugins
        trust = trust_of(self.deployment)
        return Registry(discover(plugins.allow, plugins.disable, examine=self.examines, trust=trust))

    def configure_logs(self) -> None:
        """Set up logging as the flags say."""
        level = (
            logging.DEBUG if self.flags.verbose else logging.ERROR if self.flags.quiet else logging.WARNING
        )
        configure_logs(level, as_json=self.flags.json or not sys.stderr.isatty())

    def progress(self) -> "Progress":
        """Return a progress bar on stderr; it shows itself on a terminal only."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        shown = sys.stderr.isatty() and not self.flags.quiet and not self.flags.json
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console(stderr=True),
            transient=True,
            disable=not shown,
        )


pass_session = click.make_pass_decorator(Session)


def learn_words(session: Session) -> None:
    """Look at the plugins, so that what an adapter said in an earlier run is told in its words."""
    _ = session.registry


def silent(session: Session) -> Session:
    """Return a session of the same deployment that shows no progress."""
    found = Session(session.environ)
    found.flags = replace(session.flags, quiet=True, json=False)
    return found
