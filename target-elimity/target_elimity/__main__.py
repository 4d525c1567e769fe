"""`python -m target_elimity` is `target-elimity`."""

from target_elimity.cli import main

main()
