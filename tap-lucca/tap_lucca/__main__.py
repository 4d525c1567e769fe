"""The console script `tap-lucca`."""

from lucca_elimity_kit.cli import run


def main() -> None:
    """Run the tap."""
    run("tap-lucca", "tap_lucca.tap:TapLucca.run")


if __name__ == "__main__":
    main()
