"""Look up known vulnerabilities of the installed packages by pip-audit; exit 1 for one that is not excepted.

Where its service cannot be reached, a line says so, and the exit code is 0: linting works without a network.
"""

import json
import subprocess
import sys
from pathlib import Path

EXCEPTIONS: dict[str, str] = {}
"""Vulnerabilities, by their numbers, that do not concern RaT-Bench, each with the reason."""

_COMMAND = ("--local", "--skip-editable", "--format=json", "--progress-spinner=off", "--timeout=5")


def main(program: str) -> int:
    """Run pip-audit, print what it found, and return the exit code."""
    ran = subprocess.run([program, *_COMMAND], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(ran.stdout)["dependencies"]
    except (ValueError, KeyError):
        packages = []
    audited = [package for package in packages if "vulns" in package]
    if not audited:
        say("pip-audit: nothing was audited, since the service for vulnerabilities cannot be reached")
        return 0
    found = [(package, each) for package in audited for each in package["vulns"]]
    left = [(package, each) for package, each in found if each["id"] not in EXCEPTIONS]
    for package, each in left:
        fixed = ", ".join(each["fix_versions"]) or "no version yet"
        say(f"{package['name']} {package['version']}: {each['id']}, mended in {fixed}")
    for number in sorted(EXCEPTIONS.keys() - {each["id"] for _, each in found}):
        say(f"{number}: no installed package has it; remove the exception")
    say(f"pip-audit: {len(left)} known vulnerabilities in {len(audited)} of {len(packages)} packages")
    return 1 if left else 0


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(str(Path(sys.executable).with_name("pip-audit"))))
