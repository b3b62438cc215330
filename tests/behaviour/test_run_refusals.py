"""What `ratbench run` refuses before it starts, each in one line."""

import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.support.command_line import ratbench, refused
from tests.support.grids import QUICK
from tests.support.published_files import random_pixels
from tests.support.raw_pictures import encoded, png

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("elsewhere")


class TestRefusedGrids:
    @pytest.mark.parametrize(
        ("old", "new", "parts"),
        [
            ("method.rat_bptt", "method.rat_btpt", ("'rat_btpt'", "did you mean 'rat_bptt'?")),
            ('"digits"', '"digist"', ("'digist'", "did you mean 'digits'?")),
            ('"ncfm-40"', '"ncfm-4"', ("'ncfm-4'", "did you mean 'ncfm-40'?")),
            ("window", "widnow", ("method.rat_bptt", "'widnow'", "did you mean 'window'?")),
            ("title", "tilte", ("quick.toml", "'tilte'", "did you mean 'title'?")),
            ("window = 2", "window = 9", ("window 9 is longer than the unroll 4", "lower window")),
            ("ipc = [1]", "ipc = [1000]", ("ipc 1000 is larger than the smallest class", "lower ipc")),
            ("window = 2", "window = 2\ninner_lr = -1.0", ("inner_lr -1.0", "larger than 0")),
            ("window = 2", "window = 2\nclip = 0.0", ("clip 0.0", "larger than 0")),
            ("seeds = [0]", "seeds = [0", ("quick.toml", "line")),
            (
                "convnet-d1-w8-in",
                "convnet-d5-w8-in",
                ("random_subset on digits at ipc 1", "8x8 images are too small for 5 blocks"),
            ),
        ],
    )
    def test_a_mistake_in_the_file(
        self, quick: Path, tmp_path: Path, old: str, new: str, parts: tuple[str, ...]
    ) -> None:
        quick.write_text(QUICK.replace(old, new, 1))
        refused(ratbench("run", quick, "--inline"), *parts)
        refused(ratbench("run", quick, "--dry-run"), *parts)
        assert not (tmp_path / "runs").exists(), "nothing is written before the checks"

    def test_a_set_larger_than_train(self, quick: Path) -> None:
        of_noise = QUICK.replace("ipc = [1]", "ipc = [1000]").replace("[method.random_subset]\n", "")
        quick.write_text(of_noise)
        refused(
            ratbench("run", quick, "--inline"), "rat_bptt on digits at ipc 1000", "10000 images", "lower ipc"
        )

    def test_more_threads_than_the_machine_has(self, quick: Path) -> None:
        refused(ratbench("run", quick, "--inline", "--cpus-per-trial", "9999"), "9999 CPUs", "lower --cpus")

    def test_an_unknown_grid(self) -> None:
        refused(ratbench("run", "dmeo"), "'dmeo'", "did you mean 'demo'?")

    def test_a_wrong_setting(self, quick: Path) -> None:
        result = ratbench("run", quick, "--set", "method.rat_bptt.widnow=3")
        refused(result, "'widnow'", "did you mean 'window'?")

    def test_a_method_file_that_is_not_there(self, quick: Path) -> None:
        quick.write_text(QUICK.replace("[method.random_subset]", '[method.mine]\nbase = "mine.py"'))
        refused(ratbench("run", quick, "--inline"), "no file", "mine.py")


class TestRefusedData:
    def test_a_task_whose_files_are_not_there(self, quick: Path, tmp_path: Path) -> None:
        quick.write_text(QUICK.replace('"digits"', '"cifar10"'))
        result = ratbench("run", quick, "--inline", "--data", tmp_path / "empty")
        refused(result, "For cifar10, put cifar-10-batches-py/data_batch_1", str(tmp_path / "empty"))

    def test_a_class_without_an_image(self, quick: Path, tmp_path: Path) -> None:
        for split in ("train", "test"):
            for name in ("cat", "dog"):
                (tmp_path / "pets" / split / name).mkdir(parents=True)
                Image.new("L", (8, 8)).save(tmp_path / "pets" / split / name / "1.png")
        (tmp_path / "pets" / "train" / "dog" / "1.png").unlink()
        quick.write_text(QUICK.replace('"digits"', f'"folder:{tmp_path / "pets"}"'))
        refused(ratbench("run", quick, "--inline"), "pets/train/dog has no images")


class TestRefusedPictures:
    """A folder of two classes with one wrong file: one sentence, before compute, in a run and a dry run."""

    @pytest.fixture
    def pets(self, quick: Path, tmp_path: Path) -> Path:
        quick.write_text(QUICK.replace('"digits"', f'"folder:{tmp_path / "pets"}"'))
        for index, split in enumerate(("train", "train", "test", "test")):
            for name in ("cat", "dog"):
                path = tmp_path / "pets" / split / name / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(random_pixels(8, 8)).save(path)
        return tmp_path / "pets"

    @pytest.mark.parametrize(
        ("name", "content", "part"),
        [
            ("a.png", b"", "is none of PNG, JPEG"),
            ("a.jpg", encoded(Image.linear_gradient("L").resize((8, 8)), "JPEG")[:-12], "a.jpg "),
            ("a.png", encoded(Image.new("L", (8, 8)), "PNG")[:20], "cannot be read as an image"),
            ("a.png", png(16_000, 13_000, depth=8, kind=0, rows=b""), "more than 178 megapixels"),
            ("a.png", encoded(Image.new("LA", (8, 8)), "PNG"), "append ?background=white"),
            ("a.tif", encoded(Image.new("F", (8, 8)), "TIFF"), "more than 8 bits per channel"),
            (
                "a.gif",
                encoded(
                    Image.new("L", (8, 8)), "GIF", save_all=True, append_images=[Image.new("L", (8, 8), 9)]
                ),
                "holds 2 pictures",
            ),
            ("a.heic", b"?", "may be a picture, but .heic is not read"),
            ("a", encoded(Image.new("L", (8, 8)), "PNG"), "without the ending of one"),
            ("more/a.png", encoded(Image.new("L", (8, 8)), "PNG"), "has a folder of pictures, more"),
        ],
    )
    def test_a_wrong_file(self, name: str, content: bytes, part: str, pets: Path, quick: Path) -> None:
        path = pets / "test" / "dog" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        for flag in ("--dry-run", "--inline"):
            refused(ratbench("run", quick, flag), "test/dog", part)
        assert not Path("runs").exists()

    def test_a_folder_too_many(self, pets: Path, quick: Path) -> None:
        """It was one class, of which every method got 100%."""
        for split in ("train", "test"):
            (pets / split).rename(pets / "moved")
            (pets / split).mkdir()
            (pets / "moved").rename(pets / split / "all")
        refused(
            ratbench("run", quick, "--inline"), "train/all", "if such folders are the classes, move them up"
        )

    def test_what_was_found_is_told_first(self, pets: Path, quick: Path) -> None:
        (pets / "train" / "dog" / "notes.txt").write_text("-")
        (pets / "test" / "cat" / "again.png").write_bytes((pets / "train" / "dog" / "0.png").read_bytes())
        task = f"folder:{pets}"
        told = ratbench("run", quick, "--dry-run").stdout
        for part in (
            f"{task}: not prepared yet",
            "classes: 0 cat, 1 dog",
            "train: 4 images, 2 per class",
            "test: 5 images, 2 (dog) to 3 (cat) per class",
            "note: 1 .txt file skipped",
            "warning: 1 test image equal to an image of train",
        ):
            assert part in told


class TestRefusedPlaces:
    def test_a_gpu_where_there_is_none(self, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        result = ratbench("run", quick, "--inline", "--gpus-per-trial", "1")
        refused(result, "a GPU was requested, but torch finds none", "--gpus-per-trial")

    def test_inline_on_a_cluster(self, quick: Path) -> None:
        refused(ratbench("run", quick, "--inline", "--address", "auto"), "leave out --address")

    def test_a_cluster_from_outside(self, quick: Path) -> None:
        result = ratbench("run", quick, "--address", "ray://head:10001")
        refused(result, "ray job submit --address http://HEAD:8265 -- ratbench run GRID --store STORE")

    def test_an_empty_address(self, quick: Path) -> None:
        refused(ratbench("run", quick, "--address", ""), "--address is empty: give HOST:PORT, or auto")

    def test_labels_without_ray(self, quick: Path) -> None:
        quick.write_text(quick.read_text() + '\n[resources]\nlabels = {gpu = "H100"}\n')
        refused(ratbench("run", quick, "--inline"), "leave out --inline, or labels")

    @pytest.mark.parametrize(
        ("table", "why"),
        [
            ("gpu = 1", "resources: unknown key 'gpu'; did you mean 'gpus'?"),
            ("gpus = -0.5", "resources.gpus: input should be greater than or equal to 0"),
            ("gpus = nan", "resources.gpus: input should be"),
            ("cpus = 0", "resources.cpus: input should be greater than 0"),
            ('labels = {gpu = "a b"}', 'gpu = \'a b\': write KEY = "VALUE", "!VALUE" or "in(ONE, OTHER)"'),
            ('labels = {"g u" = "a"}', "g u = 'a': write KEY"),
        ],
    )
    def test_resources_that_no_trial_can_have(self, quick: Path, table: str, why: str) -> None:
        quick.write_text(f"{quick.read_text()}\n[resources]\n{table}\n")
        refused(ratbench("run", quick, "--dry-run"), why)

    def test_a_path_that_ray_cannot_take(self, quick: Path) -> None:
        result = ratbench("run", quick, "--store", Path(os.fsdecode(b"store-\xff")))
        refused(result, "Ray takes only UTF-8 paths", "choose another --store, or use --inline")

    @pytest.mark.parametrize("limit", ["soon", "0", ""])
    def test_no_step_timeout_at_all(self, quick: Path, limit: str) -> None:
        refused(ratbench("run", quick, "--step-timeout", limit), "--step-timeout", "write a time above 0")

    @pytest.mark.parametrize("below", ["quick.toml", "quick.toml/store"])
    def test_a_store_that_cannot_be_written(self, quick: Path, below: str) -> None:
        result = ratbench("run", quick, "--inline", "--store", below)
        refused(result, f"store {below} cannot be written", "choose another --store")

    @pytest.mark.parametrize("flag", ["--inline", "--dry-run"])
    def test_a_store_of_another_protocol(self, quick: Path, tmp_path: Path, flag: str) -> None:
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / "store.json").write_text('{"protocol": 0}')
        result = ratbench("run", quick, flag, "--store", "old")
        refused(result, "store old has protocol 0", "choose another --store", "ratbench migrate old NEW")
