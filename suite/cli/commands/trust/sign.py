"""The command that vouches for the records of a store: `ratbench sign`."""

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.console import errors, say, wrote
from suite.cli.options import folder_only
from suite.core.names import counted


def sign(
    store: Annotated[Path, typer.Argument(help="The store.")],
    key: Annotated[
        Path,
        typer.Option(help="Your SSH key, such as ~/.ssh/id_ed25519; for a key in an agent, its public file."),
    ],
    all_: Annotated[
        bool, typer.Option("--all", help="Sign all files, even those that an earlier signature names.")
    ] = False,
) -> None:
    """Vouch for the records, sets and submissions of a store: sign a list of their sha256 with an SSH key.

    Files added after the last signature get another signature, possibly from somebody else. The command
    refuses a store in which the audit finds an error. `ratbench audit STORE --signers FILE` checks
    signatures.

    [bold]ratbench sign results --key ~/.ssh/id_ed25519[/]
    """
    from suite.records.audit.store import audit
    from suite.records.signatures import lists

    found = audit(folder_only(store))
    for each in found.found:
        if each.severity == "error":
            say(each.line, to=errors)
    if found.errors:
        raise ValueError(
            f"{store} is not signed, because the audit finds {counted(found.errors, 'error')}; fix it first"
        )
    made = lists.sign(store, key.expanduser(), everything=all_)
    if made is None:
        say("nothing to sign: an earlier signature names every file; --all signs them again")
        return
    path, count = made
    wrote(path)
    public = key if key.suffix == ".pub" else Path(f"{key}.pub")
    say(f"{counted(count, 'file')} signed; give {public} to those who should accept you as a signer")
