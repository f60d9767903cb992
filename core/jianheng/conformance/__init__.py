"""The conformance kit: tries a vendor's adapter on his own rig, and says which tier it reaches and what is to mend.

:mod:`.run` makes the checks and :mod:`.outcome` lists them; :mod:`.result` is what travels with the adapter.
docs/conformance.md is the page for vendors. Nothing is imported here: every pytest in the environment loads the
plugin that stands beside.
"""
