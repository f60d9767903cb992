"""Layered deployments: what an office runs, where each value comes from, secrets by reference."""

from jianheng.config.deployment import (
    Deployment,
    Office,
    Policy,
    Privacy,
    SourceUse,
    Store,
    TargetUse,
    load_deployment,
    store_url,
)
from jianheng.config.layers import FILE_NAME, Origin
from jianheng.config.options import Option, check_options
from jianheng.config.plugins import Plugins
from jianheng.config.pseudonym import pseudonyms
from jianheng.config.secrets import resolve_secrets, secret_references

__all__ = [
    "FILE_NAME",
    "Deployment",
    "Office",
    "Option",
    "Origin",
    "Plugins",
    "Policy",
    "Privacy",
    "SourceUse",
    "Store",
    "TargetUse",
    "check_options",
    "load_deployment",
    "pseudonyms",
    "resolve_secrets",
    "secret_references",
    "store_url",
]
