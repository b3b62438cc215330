"""The frozen recipes against numbers worked by hand."""

import dataclasses
import hashlib
import json
import re
from dataclasses import asdict, replace
from math import cos, pi
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from suite.core.engine.optimisers import SGD, Adam, AdamW
from suite.core.examples import Examples
from suite.core.names import Table
from suite.core.networks.named import network
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.training.augment import augmentation
from suite.core.training.jobs import TrainingJob
from suite.core.training.recipes import RECIPES, recipe, recipe_on_real
from suite.core.training.regression import squared_error

DIGESTS = {
    "dc-300": "3183d9d2b5d6fe20",
    "dsa-1000": "e3502f656eaf0286",
    "frepo-40000-v2": "6b66bef364058d77",
    "frepo-mnist-40000": "216fa0e401f48ca7",
    "rat-bptt-1000": "2a75060638636a61",
    "rtp-300": "0ea1e47374b78d12",
    "idc-1000-v2": "e7c9c07441d94ecc",
    "idc-mnist-1000": "d50d83a9f07980c3",
    "idc-svhn-1000": "b823a00276a60032",
    "dc-mnist-1000": "94ca75c7d8d452e2",
    "datadam-1800": "f7c4ba348416d1b9",
    "datm-1000": "922b36a6e0490ba4",
    "rded-stored-300": "8be64eb274e71d67",
    "rded-300-v2": "be5ce22ea8da8a46",
    "mtt-1000": "2f12194105c082ab",
    "sre2l-squeeze-200": "7e4f7b3da156762f",
    "sre2l-squeeze-tiny-50": "d84d3c3d0b2952af",
    "g-vbsm-squeeze-50": "72d6d9a576edc25e",
    "sre2l-cifar-400": "18ee9878529981ae",
    "sre2l-tiny-100": "6f428906294b3d9b",
    "sre2l-300": "8a8f0aa9bf86d5c5",
    "g-vbsm-1000": "b5b3fee13b2b815e",
    "g-vbsm-cifar100-1000": "379d293c0e07e542",
    "g-vbsm-tiny-100": "5b703f6975fdb458",
    "g-vbsm-300": "651d3708dd78db6b",
    "delt-300": "13eaac19ae492276",
    "ncfm-2000": "ca1ad9e038b7cea3",
    "ncfm-300": "ea0f56106f1825d6",
    "ncfm-40": "02bf0ea8d26c2ae1",
    "rcig-2000": "9a050a568e83347d",
    "rcig-mnist-2000": "18f25a0b65d150eb",
}
LATER = {"learned_lr": False, "precision": "float32", "teacher_epochs": 0}
"""Settings that recipes got later, as the older ones have them: these keep their digests."""


@pytest.mark.parametrize("name", RECIPES)
def test_a_published_recipe_never_changes(name: str) -> None:
    """Numbers of different releases compare only if it doesn't: give a changed one a new name."""
    settings = {
        key: value
        for key, value in asdict(recipe(name)).items()
        if key not in ("name", "source") and (key, value) not in LATER.items()
    }
    content = json.dumps(settings, sort_keys=True).encode()
    assert hashlib.sha256(content).hexdigest()[:16] == DIGESTS[name]


def test_dsa_is_a_thousand_epochs_that_decay_after_501() -> None:
    rates = recipe("dsa-1000").lr_schedule(10)  # ten images are one batch
    assert len(rates) == 1000
    assert rates[:501] == [0.01] * 501
    assert rates[501:] == [0.001] * 499


def test_dsa_takes_two_batches_of_300_images() -> None:
    rates = recipe("dsa-1000").lr_schedule(300)  # 256 + 44
    assert len(rates) == 2000
    assert rates[1001] == 0.01 and rates[1002] == 0.001  # epoch 501 begins with step 1002


def test_dc_is_300_epochs_that_decay_after_151() -> None:
    rates = recipe("dc-300").lr_schedule(256)
    assert len(rates) == 300
    assert rates[150] == 0.01 and rates[151] == 0.001


def test_rat_bptt_is_a_thousand_steps_whatever_the_size() -> None:
    assert (
        recipe("rat-bptt-1000").lr_schedule(10) == recipe("rat-bptt-1000").lr_schedule(5000) == [0.001] * 1000
    )


def test_frepo_takes_more_steps_for_more_images() -> None:
    counts = (10, 11, 100, 101, 199, 200, 201, 400, 500, 1000, 1001)
    steps = [1000, 2000, 2000, 5000, 5000, 20_000, 5000, 5000, 5000, 10_000, 40_000]
    assert [len(recipe("frepo-40000-v2").lr_schedule(count)) for count in counts] == steps


def test_frepo_warms_up_over_500_steps_and_falls_to_a_hundredth() -> None:
    rates = recipe("frepo-40000-v2").lr_schedule(10)
    assert rates[0] == 0 and rates[250] == pytest.approx(1.5e-4) and rates[500] == pytest.approx(3e-4)
    assert rates[750] == pytest.approx(3e-4 * (0.01 + 0.99 / 2))
    # The last of 500 steps is one short of the floor: cos(499 / 500 pi) = -1 + (pi / 500)^2 / 2.
    assert rates[999] == pytest.approx(3e-4 * (0.01 + 0.99 * (3.14159 / 500) ** 2 / 4), rel=1e-4)


def test_rcig_takes_2000_steps_but_for_ten_images() -> None:
    assert [len(recipe("rcig-2000").lr_schedule(count)) for count in (10, 11, 5000)] == [1000, 2000, 2000]
    rates = recipe("rcig-mnist-2000").lr_schedule(10)
    assert rates[0] == 0 and rates[500] == pytest.approx(1e-4)
    assert rates[750] == pytest.approx(1e-4 * (0.01 + 0.99 / 2))


def test_frepo_over_epochs_of_full_data_warms_up_for_half_at_most() -> None:
    rates = dataclasses.replace(recipe("frepo-40000-v2"), epochs=2).lr_schedule(1100)  # 2 * (500 + 500 + 100)
    assert len(rates) == 6 and rates[3] == pytest.approx(3e-4) and rates[2] == pytest.approx(2e-4)


def test_frepo_minimises_a_squared_error() -> None:
    assert (
        recipe("frepo-40000-v2").objective is squared_error and recipe("dsa-1000").objective is cross_entropy
    )


def test_optimisers() -> None:
    assert recipe("dsa-1000").optimiser_at(0.001) == SGD(0.001, 0.9, 5e-4)
    assert recipe("dc-300").optimiser_at(0.01) == SGD(0.01, 0.9, 5e-4)
    assert recipe("rat-bptt-1000").optimiser_at(0.001) == Adam(0.001, (0.9, 0.999), 1e-8)
    assert recipe("frepo-40000-v2").optimiser_at(0.001) == Adam(0.001, (0.9, 0.999), 1e-8)
    assert recipe("rtp-300").optimiser_at(0.01) == SGD(0.01, 0.9)
    for name in (
        "idc-1000-v2",
        "idc-mnist-1000",
        "idc-svhn-1000",
        "dc-mnist-1000",
        "datadam-1800",
        "datm-1000",
    ):
        assert recipe(name).optimiser_at(0.01) == SGD(0.01, 0.9, 5e-4)
    for name in ("rded-300-v2", "ncfm-2000", "ncfm-300", "ncfm-40"):
        assert recipe(name).optimiser_at(0.001) == AdamW(0.001, (0.9, 0.999), 1e-8, 0.01)


def test_under_rdeds_norms_and_biases_do_not_decay() -> None:
    """Two convolutions and a linear layer; instance norms with two parameters per channel between them."""
    net = network("convnet-d2-w4-in", (1, 8, 8), 3)
    conv, deeper, linear = 4 * 9, 4 * 4 * 9, 3 * 4 * 2 * 2
    spans = (conv, 8, deeper, 8, linear, 3)
    assert recipe("rded-stored-300").optimiser_of(net, 0.001) == AdamW(0.001, spans=spans)
    assert recipe("dsa-1000").optimiser_of(net, 0.01) == recipe("dsa-1000").optimiser_at(0.01)


def test_augmentations() -> None:
    assert [recipe(name).augment for name in ("dc-300", "dsa-1000", "rat-bptt-1000")] == [
        "none",
        "dsa",
        "flip-rotate",
    ]
    assert [recipe(name).augment for name in ("rtp-300", "idc-1000-v2", "rded-stored-300")] == [
        "none",
        "flip+color+move+cutmix",
        "flip-cutmix",
    ]
    assert [recipe(name).augment for name in ("idc-mnist-1000", "idc-svhn-1000", "dc-mnist-1000")] == [
        "color+move",
        "color+move+cutout",
        "crop-scale-rotate",
    ]
    assert recipe("frepo-40000-v2").augment == "frepo"
    assert recipe("frepo-mnist-40000").augment == "frepo-unmirrored"
    assert recipe("rcig-2000").augment == "frepo"
    assert recipe("rcig-mnist-2000").augment == "frepo-uncoloured"


def test_a_recipe_with_rounded_products_is_the_same_but_for_its_name() -> None:
    assert recipe("dsa-1000:bf16") == replace(recipe("dsa-1000"), name="dsa-1000:bf16", precision="bf16")
    assert recipe("mtt-1000:tf32").lr_schedule(10) == recipe("mtt-1000").lr_schedule(10)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dsa-1000:fp16", "recipe 'dsa-1000:fp16': 'fp16' is none of tf32, bf16; 'dsa-1000' is float32"),
        ("dsa-1000:", "'' is none of tf32, bf16"),
        ("dsa-1000:float32", "'dsa-1000' is float32"),
        ("dsa-100:bf16", "unknown recipe 'dsa-100:bf16'; did you mean 'dsa-1000'?"),
    ],
)
def test_another_precision_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        recipe(name)


def test_rtp_is_300_epochs_at_one_rate() -> None:
    assert (
        recipe("rtp-300").lr_schedule(640) == [0.01] * 300 and len(recipe("rtp-300").lr_schedule(641)) == 600
    )


def test_idc_falls_to_a_fifth_after_666_epochs_and_again_after_833() -> None:
    rates = recipe("idc-1000-v2").lr_schedule(65)  # 64 + 1
    assert len(rates) == 2000
    assert rates[: 2 * 666] == [0.01] * (2 * 666)
    assert rates[2 * 666 : 2 * 833] == pytest.approx([0.002] * (2 * 167))
    assert rates[2 * 833 :] == pytest.approx([0.0004] * (2 * 167))


def test_rded_falls_to_half_along_a_cosine() -> None:
    rates = recipe("rded-stored-300").lr_schedule(10)
    assert len(rates) == 300 and rates[0] == 0.001
    assert rates[150] == pytest.approx(0.001 * (1 + cos(pi / 4)) / 2)
    assert 0.0005 < rates[299] < 0.00051


def test_rded_compares_softened_logits_and_labels() -> None:
    logits = torch.tensor([[4.0, 0.0, -8.0], [0.0, 40.0, 20.0]])
    teacher = torch.tensor([[2.0, 6.0, 0.0], [10.0, -10.0, 20.0]])
    expected = cross_entropy(logits / 20, (teacher / 20).softmax(1))
    rded = recipe("rded-stored-300")
    assert torch.allclose(rded.objective(logits, rded.targets(teacher.softmax(1))), expected)


def test_hard_labels_have_no_temperature() -> None:
    """Neither on a set, nor on real images; a teacher's labels are soft whatever the set's are."""
    hard = SyntheticSet(torch.zeros(10, 10, 1, 8, 8), one_hot(10, 10))
    train = Examples(torch.zeros(20, 1, 8, 8), torch.arange(20) % 10, 10)
    logits, labels = torch.randn(5, 10), torch.tensor([0, 1, 2, 3, 4])
    for job in (
        TrainingJob.on_set(hard, recipe("rded-stored-300"), 0),
        TrainingJob.on_examples(train, recipe("rded-stored-300"), 0),
    ):
        assert torch.equal(job.recipe.objective(logits, labels), cross_entropy(logits, labels))
    taught = TrainingJob.on_set(hard, recipe("rded-300-v2"), 0, lambda views, labels: labels)
    assert torch.allclose(taught.recipe.objective(logits, labels), cross_entropy(logits / 20, labels))


@pytest.mark.parametrize(
    ("classes", "ipc", "side", "batch", "lr"),
    [
        (10, 1, 32, 10, 0.001),
        (10, 10, 32, 50, 0.001),
        (10, 50, 32, 100, 0.001),
        (100, 1, 128, 20, 0.001),
        (100, 10, 128, 100, 0.001),
        (100, 10, 32, 25, 0.002),  # CIFAR-100
        (200, 1, 64, 100, 0.001),  # Tiny-ImageNet
        (200, 50, 64, 100, 0.001),
    ],
)
def test_rdeds_batch_is_that_of_the_set(classes: int, ipc: int, side: int, batch: int, lr: float) -> None:
    made = SyntheticSet(torch.zeros(1).expand(classes, ipc, 3, side, side), one_hot(classes, ipc))
    found = recipe("rded-stored-300").for_set(made)
    assert (found.batch, found.lr) == (batch, lr)


def test_the_others_compare_by_cross_entropy() -> None:
    own = ("rded", "frepo", "rcig")
    others = [each for name, each in RECIPES.items() if not (name.startswith(own) or each.by_own_teachers)]
    assert others and all(each.objective is cross_entropy for each in others)


def test_a_teacher_is_refused_where_the_labels_are_known() -> None:
    assert recipe_on_real("dc-300") == recipe("dc-300")
    with pytest.raises(ValueError, match="recipe 'rded-300-v2' has a teacher that labels the images"):
        recipe_on_real("rded-300-v2")
    with pytest.raises(
        ValueError, match="recipe 'rded-300-v2' has a teacher that labels the images; pass it"
    ):
        TrainingJob.on_set(SyntheticSet(torch.zeros(2, 1, 1, 4, 4), one_hot(2, 1)), recipe("rded-300-v2"), 0)


@pytest.mark.parametrize(
    ("name", "corrected", "fault"),
    [
        ("rded-300", "rded-300-v2", "it mixed labels before it softened them"),
        ("rded-300:bf16", "rded-300-v2", "with the set's labels use 'rded-stored-300'"),
        ("rded", "rded-300-v2", "it mixed labels before it softened them"),
        ("frepo-40000", "frepo-40000-v2", "it took 5000 steps on 200 images"),
        ("idc-1000", "idc-1000-v2", "it drew one operation where IDC flips"),
        ("idc", "idc-1000-v2", "it drew one operation where IDC flips"),
    ],
)
def test_a_corrected_recipe_is_refused_with_the_reason(name: str, corrected: str, fault: str) -> None:
    with pytest.raises(ValueError, match=f"recipe '{name}'; it is now '{corrected}', since .*{fault}"):
        recipe(name)


def test_an_unknown_recipe_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'rat-bptt-1000'"):
        recipe("ratbptt")
    with pytest.raises(ValueError, match="did you mean 'chosen'"):
        recipe("chose", besides=("chosen",))


@pytest.mark.parametrize(
    ("former", "name"),
    [
        ("dc", "dc-300"),
        ("dsa", "dsa-1000"),
        ("rat-bptt", "rat-bptt-1000"),
        ("rtp", "rtp-300"),
        ("mtt", "mtt-1000"),
        ("dsa:bf16", "dsa-1000:bf16"),
    ],
)
def test_a_former_name_is_refused_with_the_new_one(former: str, name: str) -> None:
    with pytest.raises(
        ValueError, match=f"unknown recipe '{former}'; it is now called '{name.partition(':')[0]}'"
    ):
        recipe(former)
    assert recipe(name).name == name


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_for_digits_has_no_flip_and_is_otherwise_the_same(name: str) -> None:
    digits = Examples(torch.zeros(2, 1, 4, 4), torch.arange(2), 2, mirrored=False)
    own = recipe(name).for_data(digits)
    assert recipe(name).for_data(replace(digits, mirrored=True)) == recipe(name)
    assert replace(own, augment=recipe(name).augment) == recipe(name)
    # RaT-BPTT's authors flip digits as well.
    flips = "flip" in repr(augmentation(own.augment, mixing=True))
    assert flips == (name == "rat-bptt-1000")


def test_dc_retrains_on_mnist_for_a_thousand_epochs() -> None:
    named = replace(recipe("dc-mnist-1000"), name="dsa-1000", source=recipe("dsa-1000").source, augment="dsa")
    assert named == recipe("dsa-1000")


def test_the_batches_of_datadam_and_datm() -> None:
    datadam, datm = recipe("datadam-1800"), recipe("datm-1000")
    assert (datadam.epochs, datadam.batch, datadam.decay_at) == (1800, 64, 901)
    assert replace(datm, name="mtt-1000", source=recipe("mtt-1000").source, batch=256) == recipe("mtt-1000")


def test_a_plug_in_brings_a_recipe() -> None:
    own = replace(recipe("dc-300"), name="mine-20", epochs=20)
    table = Table("recipe", dict(RECIPES))
    table.add("mine-20", own, owner="mine.py")
    assert table["mine-20"] is own and table.owner("dc-300") == "RaT-Bench"
    with pytest.raises(ValueError, match=r"recipe 'dc-300' of mine.py is taken by RaT-Bench"):
        table.add("dc-300", own, owner="mine.py")


def test_full_data_take_their_epochs_and_decay_at_half() -> None:
    assert recipe("dsa-1000").for_epochs(4).lr_schedule(512) == [0.01] * 6 + [0.001] * 2
    full = recipe("rat-bptt-1000").for_epochs(2)
    assert full.batch == 256 and full.lr_schedule(300) == [0.001] * 4


def test_mtt_is_dsa_at_the_rate_that_a_set_brings() -> None:
    bare = SyntheticSet(torch.zeros(2, 1, 1, 4, 4), one_hot(2, 1))
    made = replace(bare, lr=0.03)
    assert recipe("mtt-1000").for_set(made).lr_schedule(10)[500:502] == [0.03, pytest.approx(0.003)]
    assert recipe("dsa-1000").for_set(made) is recipe("dsa-1000").for_set(bare) is recipe("dsa-1000")
    named = replace(recipe("mtt-1000"), name="dsa-1000", source=recipe("dsa-1000").source, learned_lr=False)
    assert named == recipe("dsa-1000")


@pytest.mark.parametrize("name", [name for name, each in RECIPES.items() if each.learned_lr])
def test_without_a_learned_rate_a_recipe_for_one_is_refused(name: str) -> None:
    bare = SyntheticSet(torch.zeros(2, 1, 1, 4, 4), one_hot(2, 1))
    with pytest.raises(
        ValueError, match=f"recipe '{name}' trains at the learned rate of a set, and this set"
    ):
        TrainingJob.on_set(bare, recipe(name), 0)
    with pytest.raises(ValueError, match=f"recipe '{name}' trains at the learned rate .* and train has none"):
        recipe_on_real(name)


def test_a_rate_that_was_chosen_is_kept() -> None:
    made = SyntheticSet(torch.zeros(2, 1, 1, 4, 4), one_hot(2, 1), lr=0.03)
    assert recipe("mtt-1000").with_lr(0.2).for_set(made).lr == 0.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimiser": "adm"}, "recipe 'mine': optimiser 'adm' is none of"),
        ({"lr": -0.1}, "give lr above 0, and steps, or epochs with a batch"),
        ({"epochs": 0}, "give lr above 0, and steps, or epochs with a batch"),
        ({"augment": "dsaa"}, "unknown augmentation 'dsaa'; did you mean 'dsa'"),
    ],
)
def test_a_recipe_that_cannot_train_is_refused(change: dict[str, Any], message: str) -> None:
    mine = replace(recipe("dsa-1000"), name="mine")
    mine.check()
    with pytest.raises(ValueError, match=message):
        replace(mine, **change).check()


@pytest.mark.parametrize("name", RECIPES)
def test_our_recipes_can_train(name: str) -> None:
    recipe(name).check()
