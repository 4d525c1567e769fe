"""The console script `target-elimity`."""

from lucca_elimity_kit.cli import run


def main() -> None:
    """Run the target."""
    run("target-elimity", _start)


def _start() -> int:
    from target_elimity.target import TargetElimity  # noqa: PLC0415 - heavy; an early Ctrl-C must end the program without a traceback

    return TargetElimity.run()


if __name__ == "__main__":
    main()
