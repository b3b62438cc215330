"""The filter alone: all is refused that is not a system call for reading."""

import platform
import re
from pathlib import Path

import pytest

from suite.external.sandbox import seccomp
from tests.support.confined import CHANGING, NETWORK, OPENING, OTHERS, succeeded, tried


def test_alone_it_refuses_all_but_reading(tmp_path: Path) -> None:
    more = (
        "mode",
        "times",
        "fork",
        "its limits",
        "its priority",
        "root",
        "namespaces",
        "io_uring",
        "32 bits",
    )
    layers, found = tried(tmp_path, "seccomp", *NETWORK, *OPENING, *CHANGING, *OTHERS, *more, "read")
    if "seccomp" not in layers:
        pytest.skip(f"no seccomp here, on {platform.machine()}")
    assert succeeded(found) == {"read"}


@pytest.mark.parametrize(
    ("machine", "header"),
    [
        ("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        ("aarch64", "/usr/include/asm-generic/unistd.h"),
    ],
)
def test_the_numbers_are_the_kernels(machine: str, header: str) -> None:
    if not Path(header).is_file():
        pytest.skip("no headers of the kernel here")
    lines = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", Path(header).read_text())
    numbers = {name: int(number) for name, number in lines}
    numbers |= {"newfstatat": numbers.get("fstatat", numbers.get("newfstatat", -1))}
    column = seccomp._MACHINES[machine][1]
    table = {**seccomp._ALLOWED, **seccomp._OPEN}
    assert {name: own[column] for name, own in table.items()} == {name: numbers.get(name) for name in table}


def test_a_program_has_whole_instructions_and_ends_in_a_refusal() -> None:
    for machine in seccomp._MACHINES:
        content = seccomp.program(machine)
        assert len(content) % 8 == 0 and content[-8:] == bytes([6, 0, 0, 0, 38, 0, 5, 0])
