"""Catalogues of the case system as versioned data: code lists and the definitions of case cards."""
