"""A small store of protocol 1, written by hand: its names, ids, seals and files as that release made them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from suite.core.data import tasks

Json = dict[str, Any]

NETWORK = "convnet-d1-w8-in"
LOADER = """\
import json
import torch
from torch.utils.data import DataLoader, TensorDataset
from safetensors.torch import load_file

name = "{name}"
facts = json.load(open(name + ".json"))  # class_names, preprocessing, ...
tensors = load_file(name + ".safetensors")
size, bases = facts["code"]["settings"], tensors["bases"]
sums = (tensors["coefficients"].flatten(0, 1) @ bases.flatten(1)).unflatten(1, bases.shape[1:])
images = torch.nn.functional.interpolate(sums, (size["height"], size["width"]), mode="bilinear")
targets = tensors["labels"].flatten(0, 1)  # (n, classes), for cross_entropy; classes: targets.argmax(1)
loader = DataLoader(TensorDataset(images, targets), batch_size=256, shuffle=True)
"""
RTP = {
    "steps": 2,
    "unroll": 2,
    "bases": 8,
    "downsample": 2,
    "images": 3,
    "per_class": 32,
    "inner_lr": 0.01,
    "inner_momentum": 0.9,
    "outer_lr": 0.1,
    "outer_momentum": 0.5,
    "clip": 2.0,
    "real_per_class": 4,
    "augment": "none",
    "network": NETWORK,
    "segment": None,
}
IDC = {
    "steps": 2,
    "network_steps": 100,
    "factor": 1,
    "metric": "mse",
    "image_lr": 0.005,
    "image_momentum": 0.5,
    "real_batch": 64,
    "synthetic_batch": 128,
    "network_images": 64,
    "augment": "color-crop-cutout",
    "network_augment": "color-crop-cutmix",
    "network": NETWORK,
}
RAT_BPTT = {
    "steps": 2,
    "unroll": 6,
    "window": 2,
    "truncation": "full",
    "redraw_every": 1,
    "outer_lr": 0.001,
    "inner_lr": 0.001,
    "real_batch": 32,
    "per_class": None,
    "inner_classes": None,
    "learn_labels": False,
    "clip": 2.0,
    "augment": "flip-rotate",
    "initial": "real",
    "network": NETWORK,
    "networks": 1,
    "precision": "float32",
    "segment": 2,
    "skips": 5,
}
MTT = {
    "steps": 2,
    "syn_steps": 3,
    "expert_epochs": 1,
    "min_start_epoch": 0,
    "max_start_epoch": 1,
    "early_max_start_epoch": None,
    "growth": 1000,
    "batch": None,
    "image_lr": 10.0,
    "image_momentum": 0.5,
    "student_lr": 0.01,
    "lr_lr": 1e-05,
    "labels": "teacher",
    "label_lr": 2.0,
    "label_momentum": 0.9,
    "threshold": None,
    "clip": None,
    "augment": "dsa",
    "initial": "real",
    "experts": 2,
    "trained_epochs": 2,
    "expert_lr": 0.01,
    "expert_batch": 64,
    "network": NETWORK,
    "segment": None,
}
STUDY = {
    "initialisations": 3,
    "unroll": 4,
    "share": 0.5,
    "truncation": "random",
    "inner_lr": 0.001,
    "real_batch": 32,
    "augment": "none",
    "initial": "real",
    "network": NETWORK,
}
PROVENANCE = {"commit": "none", "versions": {}, "device": "CPU", "threads": 1, "deterministic": True}


def sha256(value: Any) -> str:
    """Return the sha256 of canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def id_of(cell: Json) -> str:
    return sha256({"protocol": 1, **cell})


def trial(method: str, hyperparameters: Mapping[str, Any], **changes: Any) -> Json:
    rest = {"task": "digits", "source": "", "ipc": 1, "nested": [], "seed": 0}
    return {
        "kind": "distillation",
        **rest,
        "method": method,
        "hyperparameters": dict(hyperparameters),
        **changes,
    }


def evaluation(of: Json, evaluator: str, settings: Mapping[str, Any], **changes: Any) -> Json:
    rest = {"evaluator": evaluator, "settings": dict(settings), "seed": 66003719745847}
    return {"kind": "evaluation", "trial": id_of(of), **rest, **changes}


def reference() -> Json:
    training = {"recipe": "dsa", "epochs": 2, "copies": 1, "seed": 0}
    return {"kind": "reference", "task": "digits", "network": NETWORK, **training}


def sealed(cell: Json, label: str, **measured: Any) -> Json:
    """Return a record of a cell, with its seal."""
    ipc = 0 if cell["kind"] == "reference" else 1
    content = {
        "protocol": 1,
        "cell": cell,
        "label": label,
        "task": "digits",
        "ipc": ipc,
        "status": "done",
        "error": "",
        "scores": {},
        "curve": {},
        "seconds": 1.5,
        "device_seconds": 3.0,
        "peak_memory_bytes": 7,
        "stored_bytes": 0,
        "label_kind": "",
        "artefact": "",
        "data": "",
        "test_reads": 0,
        "attempts": 1,
        "recipe": "",
        "provenance": PROVENANCE,
        **measured,
    }
    return {**content, "sha256": sha256(content)}


def write_record(store: Path, record: Json) -> Path:
    kind = "records" if record["status"] in ("done", "diverged") else "failures"
    size = f"ipc{record['ipc']}" if record["ipc"] else "full"
    path: Path = store / kind / f"{record['task']}-{size}" / record["label"] / f"{id_of(record['cell'])}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    return path


def write_artefact(store: Path, stem: str, cell: Json, tensors: Mapping[str, Tensor], **facts: Any) -> str:
    """Write a set and its manifest; return the sha256 of its file."""
    path = store / "artefacts" / f"{stem}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    task = tasks.load("digits")
    manifest = {
        "trial": cell,
        "label": cell["method"],
        "class_names": list(task.class_names),
        "preprocessing": task.preprocessing.describe(),
        "data": tasks.fingerprint(task),
        "minibatch": {"per_class": None, "classes": None},
        "sha256": digest,
        **facts,
    }
    path.with_suffix(".json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    return digest


def factorised() -> dict[str, Tensor]:
    """Return the tensors of three decoded images of each class, sums of eight bases of 4x4 pixels."""
    rng = torch.Generator().manual_seed(0)
    bases = torch.randn(8, 1, 4, 4, generator=rng)
    coefficients = torch.randn(10, 3, 8, generator=rng)
    return {"bases": bases, "coefficients": coefficients, "labels": torch.eye(10)[:, None].repeat(1, 3, 1)}


TRIALS = {
    "rtp": trial("linear_bases", RTP),
    "idc_i": trial("multi_formation", IDC),
    "bptt": trial("rat_bptt", RAT_BPTT),
    "tesla": trial("trajectory_matching", MTT),
    "study": trial("gradient_study", STUDY),
}
RETRAIN = {"recipe": "dsa:bf16", "network": NETWORK, "copies": 2}
CHOSEN = {"recipe": "chosen", "network": NETWORK, "copies": 2}
ROBUST = {"own": "rtp", "recipe": "dsa", "network": NETWORK, "copies": 2}


def cells() -> list[tuple[str, Json, Json]]:
    """Return all cells with a record: their labels, and what was measured."""
    rtp, found = TRIALS["rtp"], []
    chosen = {"accuracy": [0.5, 0.25], "chosen/dsa": [1.0], "holdout/dsa": [0.75, 0.5], "seconds": [1.0, 2.0]}
    measured = {"stored_bytes": 512, "decoded": 3, "label_kind": "hard", "recipe": "rtp"}
    found.append(("linear_bases", rtp, {**measured, "curve": {"outer_loss": [2.0, 1.0]}}))
    found.append(
        ("linear_bases", evaluation(rtp, "retrain", RETRAIN), {"scores": {"accuracy": [0.5, 0.625]}})
    )
    found.append(("linear_bases", evaluation(rtp, "retrain", CHOSEN), {"scores": chosen, "test_reads": 1}))
    robust = {"accuracy": [0.5, 0.5], "hard": [0.25, 0.25], "seconds": [1.0, 1.0]}
    found.append(("linear_bases", evaluation(rtp, "label_robust", ROBUST), {"scores": robust}))
    found.append(("idc_i", TRIALS["idc_i"], {"recipe": "idc", "status": "diverged", "error": "it diverged"}))
    found.append(("bptt", TRIALS["bptt"], {"recipe": "rat-bptt"}))
    found.append(("tesla", TRIALS["tesla"], {"recipe": "mtt", "status": "failed", "error": "no memory"}))
    found.append(("gradients", TRIALS["study"], {"curve": {"norm": [1.0, 2.0, 3.0]}, "recipe": "rat-bptt"}))
    found.append(("full_data", reference(), {"scores": {"accuracy": [0.9375]}, "test_reads": 1}))
    return found


def write(store: Path) -> Path:
    """Write a store with a record of every cell, a plan, a factorised set and a snapshot of it."""
    store.mkdir()
    (store / "store.json").write_text('{"protocol": 1}\n')
    rtp, code = TRIALS["rtp"], {"kind": "linear", "settings": {"height": 8, "width": 8}}
    facts = {"code": code, "label": "linear_bases"}
    own, snapshot = id_of(rtp), f"{id_of(rtp)}@1"
    digest = write_artefact(store, own, rtp, factorised(), loader=LOADER.format(name=own), **facts)
    loader = LOADER.format(name=snapshot)
    write_artefact(store, snapshot, rtp, factorised(), loader=loader, **facts)
    for label, cell, measured in cells():
        write_record(store, sealed(cell, label, **({"artefact": digest} if cell == rtp else {}), **measured))
    planned = [
        {"label": label, "task": "digits", "ipc": 0 if cell["kind"] == "reference" else 1, "cell": cell}
        for label, cell, _ in cells()
    ]
    (store / "plan").mkdir()
    (store / "plan" / "old.json").write_text(json.dumps({"cells": planned}, indent=1))
    return store
