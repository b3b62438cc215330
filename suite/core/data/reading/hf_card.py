"""The card of a Hugging Face dataset, the header of README.md: files of splits and kinds of columns."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError, field_validator

CARD = "README.md"
DEFAULT = "default"
"""The configuration of files that name none."""

_Name = Annotated[str, Field(coerce_numbers_to_str=True)]
_Paths = str | list[str]


class _Patterns(BaseModel):
    split: _Name = "train"
    path: _Paths


class _Configuration(BaseModel):
    config_name: _Name = DEFAULT
    data_files: str | list[str] | list[_Patterns] | dict[_Name, _Paths] | None = None


class _ClassLabel(BaseModel):
    names: list[_Name] | dict[int, _Name] | None = None

    @field_validator("names")
    @classmethod
    def _each_label_has_one(
        cls, names: list[str] | dict[int, str] | None
    ) -> list[str] | dict[int, str] | None:
        if isinstance(names, dict) and sorted(names) != list(range(len(names))):
            raise ValueError("the numbers of class names must be 0, 1, 2 and so on")
        return names


class _Kind(BaseModel):
    class_label: _ClassLabel | None = None


class _Feature(BaseModel):
    name: _Name
    dtype: str | _Kind | None = None


class _Info(BaseModel):
    config_name: _Name = DEFAULT
    features: list[_Feature] | None = None


class _Card(BaseModel):
    """What is read of a card; anything else may stand in it."""

    configs: list[_Configuration] | None = None
    dataset_info: _Info | list[_Info] | None = None


def read_card(root: Path) -> dict[str, Any]:
    """Return the header of README.md, or {}; raises ValueError where it is no YAML, or not a card's."""
    from huggingface_hub import metadata_load

    path = root / CARD
    if not path.is_file():
        return {}
    try:
        card = metadata_load(path) or {}
        _Card.model_validate(card)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(
            f"the header of {path} cannot be read: its {first['loc'][0]} is not as datasets writes it "
            f"({first['msg']}); mend or remove it"
        ) from error
    except Exception as error:  # The library lets errors of its YAML parser through.
        raise ValueError(f"the header of {path} cannot be read: {str(error).splitlines()[0]}") from error
    return card


def card_features(card: Mapping[str, Any], config: str) -> dict[str, Any]:
    """Return the features that a dataset's card declares of a configuration, as a file's metadata have them.

    The only features of a card are those of files whose configuration has no name; {} without features.
    """
    infos = card.get("dataset_info") or []
    infos = infos if isinstance(infos, list) else [infos]
    chosen = [info for info in infos if str(info.get("config_name")) == config]
    if not chosen and len(infos) == 1:
        declared = {str(each.get("config_name", DEFAULT)) for each in card.get("configs") or ()}
        nameless = config == DEFAULT and config not in declared
        chosen = infos if nameless or "config_name" not in infos[0] else []
    found: dict[str, Any] = {}
    for each in (chosen[0].get("features") or ()) if chosen else ():
        kind = each.get("dtype")
        if kind == "image":
            found[each["name"]] = {"_type": "Image"}
        elif isinstance(kind, dict) and "class_label" in kind:
            names = kind["class_label"].get("names") or {}
            ordered = [names[key] for key in sorted(names, key=int)] if isinstance(names, dict) else names
            found[each["name"]] = {"_type": "ClassLabel", "names": ordered}
    return found
