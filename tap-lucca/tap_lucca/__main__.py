"""The console script `tap-lucca`."""

from lucca_elimity_kit.cli import run


def main() -> None:
    """Run the tap."""
    run("tap-lucca", _start)


def _start() -> int:
    from tap_lucca.tap import TapLucca  # noqa: PLC0415 - heavy; an early Ctrl-C must end the program without a traceback

    return TapLucca.run()


if __name__ == "__main__":
    main()
