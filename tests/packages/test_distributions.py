"""The contents and metadata of the wheels and sdists."""

import ast
import re
import sys
import tarfile
from email import message_from_string
from email.message import Message
from importlib.metadata import distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.harness import PACKAGES, PROGRAMS, ROOT, run
from tests.packages.support import PYTHONS, module_of, wheel_of


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest) -> str:
    """Return the name of each package."""
    return str(request.param)


def sources(package: str) -> set[str]:
    """Return the files of a package, as paths from its folder."""
    folder = ROOT / package
    return {
        str(file.relative_to(folder))
        for file in (folder / module_of(package)).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def metadata(dist: Path, package: str) -> Message:
    """Return the metadata in a package's wheel."""
    wheel = wheel_of(dist, package)
    with ZipFile(wheel) as files:
        return message_from_string(files.read(f"{about_folder(wheel)}/METADATA").decode())


def about_folder(wheel: Path) -> str:
    """Return the name of a wheel's metadata folder."""
    return "-".join(wheel.name.split("-")[:2]) + ".dist-info"


def test_a_wheel_holds_all_of_the_package_and_nothing_else(dist: Path, package: str) -> None:
    """A wheel has every file in the package's folder, `py.typed` and the license, but no tests or stray files."""
    wheel = wheel_of(dist, package)
    about = about_folder(wheel)
    with ZipFile(wheel) as files:
        names = set(files.namelist())
    scripts = {f"{about}/entry_points.txt"} if package in PROGRAMS else set()
    assert names - scripts == sources(package) | {
        f"{about}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "licenses/LICENSE")
    }
    assert scripts <= names
    assert f"{module_of(package)}/py.typed" in names


def test_an_sdist_holds_what_a_build_needs_and_nothing_else(dist: Path, package: str) -> None:
    """An sdist has no stray files from beside the package, such as settings with a key."""
    (sdist,) = dist.glob(f"{module_of(package)}-*.tar.gz")
    with tarfile.open(sdist) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    hook = set() if package == "lucca-elimity-kit" else {"release/hatch_build.py"}
    assert names - {".gitignore"} == sources(package) | hook | {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}


def test_the_sdist_and_the_checkout_build_the_same_wheel(dist: Path, package: str, tmp_path: Path) -> None:
    """A release built from the checkout is equal byte for byte to the wheel that `make dist` builds from the sdist."""
    arguments = ("--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", tmp_path, package)
    build = run("uv", "build", *arguments, env={"LUCCA_ELIMITY_RELEASE": "true"})
    assert build.exit_code == 0, build.log
    assert wheel_of(tmp_path, package).read_bytes() == wheel_of(dist, package).read_bytes()


def test_the_metadata_tell_whom_a_package_is_for(dist: Path, package: str) -> None:
    """Name, Python versions, license and description type, which an index shows and pip reads, are correct.

    The build itself checks that each classifier exists.
    """
    about = metadata(dist, package)
    assert about["Name"] == package
    assert about["Summary"]
    assert about["Requires-Python"] == f">={PYTHONS[0]}"
    assert about["License-Expression"] == "Apache-2.0"
    classifiers = about.get_all("Classifier", [])
    prefix = "Programming Language :: Python :: "
    assert [name.removeprefix(prefix) for name in classifiers if name.startswith(prefix)] == PYTHONS
    assert {"Operating System :: POSIX", "Typing :: Typed"} <= {*classifiers}
    assert about["Description-Content-Type"] == "text/markdown"


def test_the_description_reads_well_away_from_the_checkout(dist: Path, package: str) -> None:
    """The description has no relative links, because an index shows it without the files beside it."""
    description = str(metadata(dist, package).get_payload())
    assert description.strip() == (ROOT / package / "README.md").read_text(encoding="utf-8").strip()
    targets = re.findall(r"\]\(([^)]*)\)", description)
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []


def test_an_index_would_take_them(dist: Path) -> None:
    """`twine check --strict`, which includes an index's own checks, passes for all files."""
    files = [file for file in dist.iterdir() if file.suffix in {".whl", ".gz"}]
    assert len(files) == 2 * len(PACKAGES)
    check = run("twine", "check", "--strict", *files)
    assert check.exit_code == 0, check.stdout + check.log
    assert check.stdout.count("PASSED") == len(files)


def test_the_packages_are_of_one_release(dist: Path) -> None:
    """All packages have one version, which is in the changelog, and require this version of each other."""
    versions = {package: metadata(dist, package)["Version"] for package in PACKAGES}
    (version,) = set(versions.values())
    assert version in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for package in PROGRAMS:
        required = {name for name in metadata(dist, package).get_all("Requires-Dist", []) if name.startswith(PACKAGES)}
        others = set(PACKAGES) - {package} if package == "lucca-gateway" else {"lucca-elimity-kit"}
        assert required == {f"{name}=={version}" for name in others}


def test_what_is_imported_is_what_is_declared(dist: Path, package: str) -> None:
    """Each package declares the distributions that it imports, and no others."""
    installed = providers()
    imported = imports(package) - {*sys.stdlib_module_names, module_of(package)}
    declared = {
        re.split(r"[^\w.-]", requirement)[0] for requirement in metadata(dist, package).get_all("Requires-Dist", [])
    }
    assert [name for name in imported if not installed[name] & declared] == []
    unused = declared - set().union(*(installed[name] for name in imported))
    assert unused <= {"tzdata"}  # data, for the standard library


def imports(package: str) -> set[str]:
    """Return the top-level names of the modules that a package imports anywhere."""
    names: list[str] = []
    for file in sources(package):
        if file.endswith(".py"):
            for node in ast.walk(ast.parse((ROOT / package / file).read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    names += [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names.append(str(node.module))
    return {name.partition(".")[0] for name in names}


def providers() -> dict[str, set[str]]:
    """Return the installed packages that provide modules, by top-level name."""
    found = {module_of(package): {package} for package in PACKAGES}  # installed from the checkout, they list no modules
    for distribution in distributions():
        name = re.sub(r"[-_.]+", "-", distribution.name).lower()
        for file in distribution.files or ():
            found.setdefault(file.parts[0].removesuffix(".py"), set()).add(name)
    return found
