"""The console script `lucca-gateway`."""

from lucca_elimity_kit.cli import run


def main() -> None:
    """Run the gateway. Exit with 2 if a setting is wrong, and with 3 if the port is taken."""
    run("lucca-gateway", _start, wrong_settings=2)


def _start() -> int:
    from lucca_gateway.cli import serve  # noqa: PLC0415 - heavy; Ctrl-C while it loads must not print a traceback

    return serve()


if __name__ == "__main__":
    main()
