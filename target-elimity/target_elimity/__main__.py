"""The console script `target-elimity`."""

from lucca_elimity_kit.cli import run


def main() -> None:
    """Run the target."""
    run("target-elimity", "target_elimity.target:TargetElimity.run")


if __name__ == "__main__":
    main()
