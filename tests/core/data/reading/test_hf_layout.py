"""Files of datasets by configuration and split: as the card says, or by their names."""

import json
from pathlib import Path
from typing import Any

import pytest

from suite.core.data.reading.hf_layout import Splits, choose, layout, local_files


def chosen(
    paths: list[str],
    card: dict[str, Any] | None = None,
    config: str | None = None,
    train: str | None = None,
    test: str | None = None,
) -> Splits:
    return choose("it", layout(paths, card or {}), config, train, test)


def files(splits: Splits) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return splits.files[splits.train], splits.files[splits.test]


@pytest.mark.parametrize(
    "train, test",
    [
        ("train.parquet", "test.parquet"),
        ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"),
        ("data/train-00000-of-00001-0123abcd.parquet", "data/test-00000-of-00001-4567ef01.parquet"),
        ("plain_text/train-00000-of-00001.parquet", "plain_text/test-00000-of-00001.parquet"),
        ("default/train/0000.parquet", "default/test/0000.parquet"),
        ("default/partial-train/0000.parquet", "default/test/0000.parquet"),
        ("train/part-0.parquet", "test/part-0.parquet"),
        ("cifar10-train.arrow", "cifar10-test.arrow"),
        ("train/data-00000-of-00001.arrow", "test/data-00000-of-00001.arrow"),
        ("Training.parquet", "evaluation.parquet"),
    ],
)
def test_names_of_files_and_folders_tell_splits(train: str, test: str) -> None:
    assert files(chosen([test, train, "README.md", "notes.csv"])) == ((train,), (test,))


def test_shards_keep_their_order_and_exact_names_win() -> None:
    shards = [f"data/train-0000{part}-of-00002.parquet" for part in range(2)]
    others = ["data/train_extra-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"]
    found = chosen([*shards, *others])
    assert files(found) == (tuple(shards), (others[1],)) and not found.said
    assert files(chosen([*shards, *others], train="train_extra"))[0] == (others[0],)


@pytest.mark.parametrize("name", ["validation", "valid", "val", "dev"])
def test_a_validation_split_stands_in_for_test_and_it_is_said(name: str) -> None:
    found = chosen(["train.parquet", f"{name}.parquet"])
    assert (found.train, found.test) == ("train", name)
    assert found.said == f"no split 'test': {name!r} is used; append ?test=NAME for another"
    assert not chosen(["train.parquet", f"{name}.parquet"], test=name).said
    assert chosen(["train.parquet", f"{name}.parquet", "test.parquet"]).test == "test"


def test_the_card_is_followed() -> None:
    paths = ["a/x.parquet", "a/y.parquet", "b/z.parquet"]
    listed = [
        {
            "config_name": "small",
            "data_files": [{"split": "train", "path": "a/x*"}, {"split": "test", "path": ["a/y*"]}],
        },
        {"config_name": "other", "data_files": {"train": "b/*", "test": "**/y.parquet"}},
        {"config_name": "of images", "data_files": "images/*.png"},
    ]
    card = {"configs": listed}
    assert files(chosen(paths, card, "small")) == (("a/x.parquet",), ("a/y.parquet",))
    assert files(chosen(paths, card, "other")) == (("b/z.parquet",), ("a/y.parquet",))
    with pytest.raises(ValueError, match=r"it has the configurations other, small; append \?config=other"):
        chosen(paths, card)
    with pytest.raises(ValueError, match="it has no configuration 'big'; it has other, small"):
        chosen(paths, card, "big")


@pytest.mark.parametrize(
    "paths, given, said",
    [
        ([], {}, "no Parquet or Arrow files; a folder of images is a task folder:/path"),
        (["train.parquet"], {}, "no split 'test'; its only split is train: divide it"),
        (["test.parquet"], {}, "no split 'train'"),
        (["train.parquet", "fold.parquet"], {}, r"no split 'test'; it has fold, train: append \?test=NAME"),
        (["train.parquet", "test.parquet"], {"test": "tset"}, "no split 'tset'; it has test, train"),
        (["train.parquet", "test.parquet"], {"test": "train"}, "'train' cannot be train and test"),
        (["train.parquet", "val.parquet", "dev.parquet"], {}, "dev and val could each be validation"),
        (["a/train.parquet", "b/train.parquet"], {}, "configurations a, b"),
        (["train-00000-of-00002.parquet", "test.parquet"], {}, "train lacks part 1 of 2; fetch it again"),
        (
            ["train-00000-of-00001.parquet", "train-00000-of-00002.parquet", "test.parquet"],
            {},
            "train has files of 1 and of 2 parts",
        ),
        (
            ["train/0000.parquet", "train/0002.parquet", "test.parquet"],
            {},
            r"train lacks part 1 \(train/…\); fetch",
        ),
        (["train/0001.parquet", "test.parquet"], {}, "train lacks part 0"),
        (["train/part-2.parquet", "train/part-3.parquet", "test.parquet"], {}, "train lacks part 1"),
        (["train.parquet", "test/1.arrow", "test/3.arrow"], {}, "test lacks part 2"),
        (
            [f"train-00000-of-00001-{each}.parquet" for each in ("aaaa", "bbbb")] + ["test.parquet"],
            {},
            r"train has two files of part 0 \(train-…\); remove one",
        ),
        (
            ["train.parquet", "data/train.parquet", "test.parquet"],
            {},
            r"train\.parquet and data/train\.parquet could each be all of train; remove one, or declare",
        ),
        (["train.parquet", "train/0000.parquet", "test.parquet"], {}, "could each be all of train"),
        (["train.parquet", "train.arrow", "test.parquet"], {}, "could each be all of train"),
        (["train.parquet", "train-00000-of-00001.parquet", "test.parquet"], {}, "could each be all of tr"),
    ],
)
def test_what_is_not_clear_is_refused(paths: list[str], given: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=f"it.* {said}|it: {said}"):
        chosen(paths, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "train",
    [
        [
            "train/1.parquet",
            "train/2.parquet",
            "train/10.parquet",
            *(f"train/{n}.parquet" for n in range(3, 10)),
        ],
        ["train/part-0.parquet", "train/part-1.parquet"],
        ["train/cifar-10.parquet"],
        ["train/2019.parquet", "train/2021.parquet"],
        ["train/birds.parquet", "train/cats.parquet"],
    ],
)
def test_whole_splits_of_many_files_are_read(train: list[str]) -> None:
    assert files(chosen([*train, "test.parquet"]))[0] == tuple(train)


def test_a_card_may_join_files_of_several_folders() -> None:
    paths = ["train.parquet", "data/train.parquet", "test.parquet"]
    card = {"configs": [{"data_files": {"train": ["*train.parquet"], "test": "test.parquet"}}]}
    assert files(chosen(paths, card)) == (tuple(paths[:2]), ("test.parquet",))
    assert chosen(paths, card).config == "default"


def test_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").symlink_to(tmp_path / "gone")
    with pytest.raises(ValueError, match=r"train\.parquet is a link to .*gone, which does not exist; mend"):
        local_files(tmp_path)


def test_a_file_in_both_splits_is_refused() -> None:
    card = {"configs": [{"data_files": {"train": "*", "test": "a*"}}]}
    with pytest.raises(ValueError, match=r"a\.parquet is in train and in test"):
        chosen(["a.parquet", "b.parquet"], card)


def test_local_files_leave_out_hidden_ones_and_old_shards(tmp_path: Path) -> None:
    for name in ("train/data-00000-of-00001.arrow", "train/data-00001-of-00002.arrow", ".cache/x.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}
    (tmp_path / "train/state.json").write_text(json.dumps(state))
    assert local_files(tmp_path) == ["train/data-00000-of-00001.arrow"]
