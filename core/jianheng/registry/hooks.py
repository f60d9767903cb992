"""What an imported plugin registers, against its manifest; the checks themselves also run in children."""

from types import ModuleType

from jianheng.isolation.hooks import HOOKS, Registered
from jianheng.isolation.hooks import register as register_for
from jianheng.registry.manifest import Manifest

__all__ = ["HOOKS", "Registered", "register"]


def register(manifest: Manifest, module: ModuleType) -> Registered:
    """Register one plugin and return what its hooks give. Runs its code: call it within a boundary.

    Raises:
        StopError: a hook is unknown, misspelt, unmarked, missing, undeclared, or gives the wrong thing.
    """
    return register_for(manifest.id, manifest.kind, module)
