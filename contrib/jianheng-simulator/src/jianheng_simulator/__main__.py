"""Run the command line."""

from jianheng_simulator.cli import main

main(prog_name="jianheng-simulator")
