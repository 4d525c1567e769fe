"""`python -m lucca_gateway` is `lucca-gateway`."""

from lucca_gateway.cli import main

main()
