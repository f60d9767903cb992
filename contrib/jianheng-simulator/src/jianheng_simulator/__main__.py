"""Run the command line."""

import gc

from jianheng_simulator.cli import main

gc.set_threshold(200_000, 20, 100)  # a world is millions of small values that live until it is written
main(prog_name="jianheng-simulator")
