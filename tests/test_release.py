"""What publishes the package: the checks of a wheel, the text of a release, the workflows."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / ".ci"))

import check_wheel  # noqa: E402
import release_notes  # noqa: E402

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MANYLINUX = "readme_metrics-4.0.0-cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"


def wheel(directory: Path, name: str = MANYLINUX, *, glibc: str = "2.17", leave_out: str = "", extra: str = "") -> Path:
    path = directory / name
    with zipfile.ZipFile(path, "w") as archive:
        names = [f"readme_metrics/{expected}" for expected in check_wheel.EXPECTED]
        names += ["readme_metrics-4.0.0.dist-info/licenses/LICENSE", extra]
        for member in names:
            if member and member != leave_out:
                archive.writestr(member, "")
        archive.writestr("readme_metrics/_core.abi3.so", f"\0GLIBC_2.2.5\0GLIBC_{glibc}\0")
    return path


def test_a_good_wheel_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_wheel.main([str(wheel(tmp_path))]) == 0
    assert capsys.readouterr().out.endswith(": good\n")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"glibc": "2.18"}, "needs glibc (2, 18), the tag says (2, 17)"),
        ({"name": "readme_metrics-4.0.0-cp310-abi3-linux_x86_64.whl"}, "is not a manylinux tag"),
        ({"name": "readme_metrics-4.0.0-cp311-cp311-manylinux_2_17_x86_64.whl"}, "neither an abi3 wheel"),
        ({"leave_out": "readme_metrics/py.typed"}, "no py.typed"),
        ({"extra": "tests/conftest.py"}, "tests/conftest.py does not belong here"),
        ({"extra": "readme_metrics/_core.cp311.so"}, "2 compiled modules, not 1"),
        ({"leave_out": "readme_metrics-4.0.0.dist-info/licenses/LICENSE"}, "no licence"),
    ],
    ids=str,
)
def test_a_faulty_wheel_does_not(tmp_path: Path, options: dict[str, str], fault: str) -> None:
    assert fault in "; ".join(check_wheel.faults(wheel(tmp_path, **options)))


CHANGELOG = "# Changelog\n\n## 4.1.0 (2027-02-03)\n\nNew.\n\n## 4.0.0 (unreleased)\n\nOld.\n"


def test_the_notes_of_a_release_are_its_section_of_the_changelog() -> None:
    assert release_notes.notes("v4.1.0", 'version = "4.1.0"\n', CHANGELOG) == "New."


@pytest.mark.parametrize(
    ("tag", "version", "fault"),
    [
        ("v4.1.0", "4.2.0", "the tag is v4.1.0, Cargo.toml says 4.2.0"),
        ("v4.2.0", "4.2.0", "has no section 4.2.0"),
        ("v4.0.0", "4.0.0", "dates 4.0.0 'unreleased'"),
    ],
)
def test_a_tag_made_too_early_is_refused(tag: str, version: str, fault: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        release_notes.notes(tag, f'[package]\nversion = "{version}"\n', CHANGELOG)


def test_the_changelog_has_a_section_for_this_version() -> None:
    [version] = re.findall(r'^version = "(.*?)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    assert re.search(rf"^## {re.escape(version)} \(", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_pins_its_actions_and_asks_for_little(path: Path) -> None:
    text = path.read_text()
    assert "\npermissions: {}\n" in text
    for action in re.findall(r"uses: (?!\./)(.*)", text):
        assert re.fullmatch(r"[\w/.-]+@[0-9a-f]{40} # v[\d.]+", action), action
    assert text.count("actions/checkout@") == text.count("persist-credentials: false")
    assert len(re.findall(r"^    (?:timeout-minutes|uses): ", text, re.MULTILINE)) == len(
        re.findall(r"^  [\w-]+:\n(?=    |\n)", text.partition("\njobs:\n")[2], re.MULTILINE)
    )
    for script in re.findall(r"\.ci/\w+(?:\.py)?", text):
        assert (ROOT / script).exists(), script
    makefile = (ROOT / "Makefile").read_text()
    for targets in re.findall(r"run: make ([\w -]+)", text):
        for target in targets.split():
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_only_a_tag_publishes() -> None:
    texts = {path.name: path.read_text() for path in WORKFLOWS}
    assert [name for name, text in texts.items() if "id-token: write" in text] == ["release.yml"]
    assert 'on:\n  push:\n    tags: ["v*"]\n' in texts["release.yml"]
