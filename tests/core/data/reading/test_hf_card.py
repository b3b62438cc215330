"""What a dataset's card says of its files and columns, and what is refused as malformed."""

from pathlib import Path
from typing import Any

import pytest

from suite.core.data.reading.hf_card import card_features, read_card
from suite.core.data.reading.hf_tables import label_column, open_table
from tests.support.hugging_face import pictures, write


def features(*names: str) -> list[dict[str, Any]]:
    return [{"name": "label", "dtype": {"class_label": {"names": dict(enumerate(names))}}}]


def test_cards(tmp_path: Path) -> None:
    assert read_card(tmp_path) == {}
    (tmp_path / "README.md").write_text("no header")
    assert read_card(tmp_path) == {}
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\ntext")
    assert read_card(tmp_path) == {"license": "mit"}
    (tmp_path / "README.md").write_text("---\nlicense: [mit\n---\ntext")
    with pytest.raises(ValueError, match=r"header of .*README\.md cannot be read"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    "header, key",
    [
        ("configs: default", "configs"),
        ("configs:\n- x", "configs"),
        ("configs:\n- data_files: 5", "configs"),
        ("configs:\n- data_files: {train: [1]}", "configs"),
        ("configs:\n- data_files:\n  - split: train", "configs"),
        ("configs: {data_files: x}", "configs"),
        ("dataset_info: x", "dataset_info"),
        ("dataset_info:\n- x", "dataset_info"),
        ("dataset_info:\n  features: x", "dataset_info"),
        ("dataset_info:\n  features:\n  - x", "dataset_info"),
        ("dataset_info:\n  features:\n  - dtype: image", "dataset_info"),
        ("dataset_info:\n  features:\n  - {name: y, dtype: [image]}", "dataset_info"),
        ("dataset_info:\n  features:\n  - {name: y, dtype: {class_label: a}}", "dataset_info"),
        ("dataset_info:\n  features:\n  - {name: y, dtype: {class_label: {names: {a: b}}}}", "dataset_info"),
        (
            "dataset_info:\n  features:\n  - {name: y, dtype: {class_label: {names: {0: a, 2: b}}}}",
            "dataset_info",
        ),
        (
            "dataset_info:\n  features:\n  - {name: y, dtype: {class_label: {names: [yes, no]}}}",
            "dataset_info",
        ),
    ],
)
def test_malformed_cards_are_refused_in_one_sentence(header: str, key: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"---\n{header}\n---\n")
    with pytest.raises(
        ValueError, match=rf"README\.md cannot be read: its {key} is not as .*; mend"
    ) as raised:
        read_card(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "header",
    [
        "configs:\n- config_name: 2014\n  data_files: a*",
        "configs:\n- {config_name: a, data_files: [a, b], drop_labels: false}\ntags: [x]",
        "configs:\n- data_files:\n  - {split: train, path: [a, b]}\n  - {split: test, path: c}",
        "dataset_info:\n- {config_name: a, features: [{name: x, sequence: int64}]}\n- {config_name: b}",
        "dataset_info:\n  features:\n  - {name: y, dtype: {class_label: {names: {'0': 5, '1': 6}}}}",
        "dataset_info:\n  features:\n  - {name: y, dtype: {array2_d: {shape: [2, 2], dtype: int8}}}",
        "configs:\ndataset_info:",
    ],
)
def test_other_cards_are_taken(header: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"---\n{header}\n---\n")
    read_card(tmp_path)


def test_the_card_describes_files_without_metadata(tmp_path: Path) -> None:
    features = [
        {"name": "x", "dtype": "image"},
        {"name": "y", "dtype": {"class_label": {"names": {"0": "b", "2": "c", "1": "a"}}}},
        {"name": "z", "dtype": "string"},
    ]
    write(tmp_path / "x.parquet", {"x": pictures(1), "y": [0], "z": ["?"]})
    found = card_features({"dataset_info": {"features": features}}, "default")
    opened = open_table(tmp_path / "x.parquet", found)
    assert label_column(opened, None) == "y" and opened.classes["y"] == ("b", "a", "c")
    two = [{"config_name": "one", "features": []}, {"config_name": "two", "features": features}]
    assert card_features({"dataset_info": two}, "two") == found and not card_features({}, "default")


@pytest.mark.parametrize(
    "card, config, names",
    [
        ({"dataset_info": [{"config_name": "a", "features": features("x", "y")}]}, "a", ["x", "y"]),
        ({"dataset_info": [{"config_name": "a", "features": features("x", "y")}]}, "b", None),
        ({"dataset_info": {"config_name": "a", "features": features("x", "y")}}, "default", ["x", "y"]),
        ({"dataset_info": {"features": features("x", "y")}}, "folder", ["x", "y"]),
        (
            {
                "configs": [{"config_name": "a"}, {"config_name": "default"}],
                "dataset_info": {"config_name": "a", "features": features("x", "y")},
            },
            "default",
            None,
        ),
        (
            {"dataset_info": [{"config_name": name, "features": features(name, "z")} for name in "ab"]},
            "c",
            None,
        ),
        ({"dataset_info": [{"config_name": 1, "features": features("x", "y")}, {}]}, "1", ["x", "y"]),
        ({"dataset_info": {"features": None}}, "default", None),
    ],
)
def test_features_are_those_of_the_configuration(
    card: dict[str, Any], config: str, names: list[str] | None
) -> None:
    assert card_features(card, config).get("label", {}).get("names") == names
