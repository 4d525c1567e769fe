"""A hook of the build. tap-lucca, target-elimity and lucca-gateway link to this folder."""

import os
import tomllib
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class SameRelease(MetadataHookInterface):
    """Gives a package the version of the kit, and requires the packages that it is developed with.

    In a checkout, they are the folders beside it, so no index is asked for their names. In a release (`make dist`),
    they are those of the same version. A build from an sdist doesn't call this: the sdist holds the answers.
    """

    # The standard library has no `override` before Python 3.12.
    def update(self, metadata: dict[str, Any]) -> None:  # type: ignore[explicit-override]
        """Add the version and the requirements to the metadata in `pyproject.toml`."""
        checkout = Path(self.root).parent
        kit = tomllib.loads((checkout / "lucca-elimity-kit/pyproject.toml").read_text(encoding="utf-8"))
        metadata["version"] = version = kit["project"]["version"]
        is_release = "LUCCA_ELIMITY_RELEASE" in os.environ
        metadata["dependencies"] = [
            *self.config["dependencies"],
            *(
                f"{name}=={version}" if is_release else f"{name} @ {(checkout / name).as_uri()}"
                for name in self.config["same-release"]
            ),
        ]
