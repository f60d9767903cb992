"""Who runs a command, as far as the machine knows."""

import getpass


def login() -> str:
    """Return the name of the account, or nothing for an account without a name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
