"""`python -m agents.cli` is `headwater`."""

from agents.cli import main

main(prog_name="headwater")
