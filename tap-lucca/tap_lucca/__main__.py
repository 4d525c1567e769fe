"""`python -m tap_lucca` is `tap-lucca`."""

from tap_lucca.cli import main

main()
