"""Upload a dataset to the Hugging Face hub, or to the server that HF_ENDPOINT names."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.core.names import counted

PATIENCE = 10.0
"""Seconds after which a server without an answer counts as unreachable."""


@dataclass(frozen=True)
class Repository:
    """A dataset on the hub, `owner/name`. private: whether others may not see it."""

    name: str
    private: bool = False

    def __post_init__(self) -> None:
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils._validators import validate_repo_id

        try:
            validate_repo_id(self.name)
        except HFValidationError as error:
            raise ValueError(f"--push {self.name!r}: {' '.join(str(error).split())}") from None
        if self.name.count("/") != 1:
            raise ValueError(
                f"--push {self.name!r}: write OWNER/NAME, the owner being you or an organisation"
            )

    def check(self) -> None:
        """Raise ValueError without a token, or if the server does not answer."""
        from huggingface_hub import constants, get_token

        if constants.is_offline_mode():
            raise ValueError("--push needs the network, and HF_HUB_OFFLINE is set; unset it")
        if get_token() is None:
            raise ValueError(
                "--push needs a token of the Hugging Face hub; run `hf auth login`, or set HF_TOKEN"
            )
        if not _answers(constants.ENDPOINT):
            raise ValueError(f"--push: {constants.ENDPOINT} cannot be reached; try again with a network")

    def upload(self, folder: Path) -> str:
        """Upload all files of a folder in one commit; return the address. Raises ValueError if refused."""
        from huggingface_hub import HfApi, get_token
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()  # their remains would stand before what is said here
        api, files = HfApi(), sum(path.is_file() for path in folder.rglob("*"))
        try:
            self._create(api)
            message = f"Upload {counted(files, 'file')} by RaT-Bench"
            api.upload_folder(
                repo_id=self.name, repo_type="dataset", folder_path=folder, commit_message=message
            )
        except Exception as error:  # the errors of the hub's library differ between versions
            told = _reason(error, f"{api.endpoint}/datasets/{self.name}")
            raise ValueError(told.replace(str(get_token()), "(token)")) from None
        return f"{api.endpoint}/datasets/{self.name}"

    def _create(self, api: Any) -> None:
        """Create the dataset if it does not exist; raises ValueError for a public one to be private."""
        try:
            api.create_repo(self.name, repo_type="dataset", private=self.private or None)
        except Exception as error:
            status = _status(error)
            if status not in (401, 402, 403, 409):  # 409: it exists; the others: it may, for this token
                raise
            if status == 409 and not self.private:
                return
            try:
                public = not api.repo_info(self.name, repo_type="dataset").private
            except Exception:
                raise error from None
            if self.private and public:
                raise ValueError(
                    f"{self.name} exists and is public; make it private there, choose another name, or leave "
                    "--private out"
                ) from None


def _answers(endpoint: str) -> bool:
    try:
        request = urllib.request.Request(endpoint, method="HEAD", headers={"User-Agent": "ratbench"})
        with urllib.request.urlopen(request, timeout=PATIENCE):  # nosec B310 # the answer is dropped
            return True
    except urllib.error.HTTPError:
        return True  # an answer all the same
    except (OSError, ValueError):
        return False


def _reason(error: Exception, where: str) -> str:
    """Return why an upload failed, in one sentence."""
    status = _status(error)
    if isinstance(error, ValueError) and status is None:
        return " ".join(str(error).split())
    if status == 401:
        return f"{where}: the token is refused (401); run `hf auth login` again, or set another HF_TOKEN"
    if status == 403:
        return f"{where}: the token may not write there (403); use one with that right, or another name"
    if status is not None:
        return f"{where}: the server refuses the upload ({status}: {_message(error)}); nothing is kept here"
    return f"{where}: the upload failed ({type(error).__name__}: {_message(error)}); try again"


def _message(error: Exception) -> str:
    told = getattr(error, "server_message", None) or str(error)
    return " ".join(told.split())[:200]


def _status(error: BaseException) -> int | None:
    return next((code for each in _causes(error) if (code := _code(each)) is not None), None)


def _code(error: BaseException) -> int | None:
    code = getattr(getattr(error, "response", None), "status_code", None)
    return code if isinstance(code, int) else None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
