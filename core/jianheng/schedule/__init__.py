"""When things run: slots counted out from the configuration, each begun once, whoever of several schedulers begins it."""
