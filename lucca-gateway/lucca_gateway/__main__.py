"""The console script `lucca-gateway`."""

from lucca_elimity_kit.cli import run


def main() -> None:
    """Run the gateway. Exit with 2 if a setting is wrong, and with 3 if the port is taken."""
    run("lucca-gateway", "lucca_gateway.cli:serve", wrong_settings=2)


if __name__ == "__main__":
    main()
