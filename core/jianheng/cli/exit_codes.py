"""What the command line says to scripts when it ends."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of ``jianheng``; docs/cli.md documents the same table."""

    OK = 0
    """Done."""
    UNEXPECTED = 1
    """A fault of the program itself: report it with its reference."""
    STOP = 2
    """Bad input, configuration or environment: mend what the message names."""
    RETRY = 3
    """The other side may recover: run again later."""
    SET_ASIDE = 4
    """Finished, but rows are in quarantine or something was set aside."""
    ASK = 5
    """A person must decide before it can go on."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C."""
