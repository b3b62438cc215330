"""Checkpoints in a store: the last two of each trial or study, each named by its step and its sha256."""

import hashlib
import io
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from suite.core.files.atomic_write import NotAFile, read_bytes
from suite.records.upkeep.folder import Folder


class Checkpoints(Folder):
    """A folder with the checkpoints of trials and studies, in `checkpoints/`."""

    def save_checkpoint(self, trial: str, step: int, state: dict[str, Any]) -> None:
        """Write a checkpoint; the last two are kept."""
        import torch  # imported here, since boards read records without torch

        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getvalue()
        name = f"{step:09d}-{hashlib.sha256(content).hexdigest()[:16]}.pt"
        self.put(self.path / "checkpoints" / trial / name, content, replace=True)
        for old in self._checkpoints(trial)[:-2]:
            with suppress(OSError):  # another process may have removed it
                old.unlink()

    def load_checkpoint(self, trial: str) -> dict[str, Any] | None:
        """Return the newest valid checkpoint of a trial or study, or None."""
        import torch

        for path in reversed(self._checkpoints(trial)):
            try:
                content = read_bytes(path)
            except FileNotFoundError:
                continue  # another process removed it
            except NotAFile:
                self.set_aside(path, "is not a file")
                continue
            if not path.stem.endswith(hashlib.sha256(content).hexdigest()[:16]):
                self.set_aside(path, "is damaged (its content does not match its name)")
                continue
            # It may be loaded on a machine without the GPU on which it was written.
            state: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
            return state
        return None

    def begun(self) -> set[str]:
        """Return the ids of the trials and studies that may have checkpoints."""
        folder = self.path / "checkpoints"
        return {each.name for each in folder.iterdir()} if folder.is_dir() else set()

    def checkpoint_step(self, trial: str) -> int | None:
        """Return the outer step of the last checkpoint, or None."""
        names = [path.stem for path in self._checkpoints(trial)]
        steps = [int(found[1]) for name in names if (found := re.fullmatch(r"(\d+)-[0-9a-f]{16}", name))]
        return max(steps, default=None)

    def drop_checkpoints(self, trial: str) -> None:
        """Remove the checkpoints of a finished trial or study."""
        shutil.rmtree(self.path / "checkpoints" / trial, ignore_errors=True)

    def quarantine_checkpoints(self, trial: str, reason: str) -> None:
        """Move checkpoints to quarantine; the trial or study then starts again.

        reason: a verb and its object, for the warning.
        """
        for path in self._checkpoints(trial):
            self.set_aside(path, reason)

    def _checkpoints(self, trial: str) -> list[Path]:
        return sorted((self.path / "checkpoints" / trial).glob("*.pt"))
