"""A training with a framework's own parts and nothing of ours: what stands in for the framework's script where that cannot be had.

    plain.py timm DATA OUT SEED EPOCHS
    plain.py transformers DATA OUT SEED EPOCHS MODEL

Model, images, augmentation, loss, optimizer, schedule, validation and checkpoints of every epoch are the framework's, with the
settings of compare.py. Prints the best accuracy of an epoch as its last line.
"""

from __future__ import annotations

import pathlib
import sys

import torch

SIZE, BATCH = 64, 16


def timm(data: pathlib.Path, out: pathlib.Path, seed: int, epochs: int) -> float:
    from timm import utils
    from timm.data import create_dataset, create_loader, resolve_data_config
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.models import create_model
    from timm.optim import create_optimizer_v2
    from timm.scheduler import create_scheduler_v2

    utils.random_seed(seed)
    model = create_model("resnet18", num_classes=3)
    config = resolve_data_config({"img_size": SIZE}, model=model)
    look = {"input_size": config["input_size"], "mean": config["mean"], "std": config["std"], "batch_size": BATCH, "use_prefetcher": False, "num_workers": 0, "device": torch.device("cpu")}
    train = create_loader(create_dataset("", root=str(data), split="train", is_training=True), is_training=True, scale=(0.35, 1.0), color_jitter=0.3, interpolation=config["interpolation"], **look)
    val = create_loader(create_dataset("", root=str(data), split="validation"), is_training=False, interpolation=config["interpolation"], crop_pct=config["crop_pct"], **look)
    optimizer = create_optimizer_v2(model, opt="adamw", lr=0.001, weight_decay=0.05)
    schedule, _ = create_scheduler_v2(optimizer, sched="cosine", num_epochs=epochs, min_lr=0, warmup_epochs=0, step_on_epochs=False, updates_per_epoch=len(train))
    loss = LabelSmoothingCrossEntropy(0.1)
    out.mkdir(parents=True, exist_ok=True)
    saver = utils.CheckpointSaver(model=model, optimizer=optimizer, checkpoint_dir=str(out), recovery_dir=str(out), max_history=1)
    best, updates = 0.0, 0
    for epoch in range(epochs):
        model.train()
        for images, labels in train:
            optimizer.zero_grad()
            loss(model(images), labels).backward()
            optimizer.step()
            updates += 1
            schedule.step_update(updates)
        model.eval()
        right = utils.AverageMeter()
        with torch.no_grad():
            for images, labels in val:
                right.update(utils.accuracy(model(images), labels)[0].item(), len(images))
        best = max(best, right.avg / 100)
        saver.save_checkpoint(epoch, metric=right.avg)
    return best


def transformers(data: pathlib.Path, out: pathlib.Path, seed: int, epochs: int, folder: str) -> float:
    import numpy as np
    from datasets import load_dataset
    from torchvision.transforms import CenterCrop, Compose, Normalize, RandomHorizontalFlip, RandomResizedCrop, Resize, ToTensor
    from transformers import AutoImageProcessor, AutoModelForImageClassification, Trainer, TrainingArguments, set_seed

    set_seed(seed)
    sets = load_dataset("imagefolder", data_files={"train": f"{data}/train/**", "validation": f"{data}/val/**"})
    processor, model = AutoImageProcessor.from_pretrained(folder), AutoModelForImageClassification.from_pretrained(folder)
    last = [ToTensor(), Normalize(processor.image_mean, processor.image_std)]
    ways = {"train": Compose([RandomResizedCrop(SIZE), RandomHorizontalFlip(), *last]), "validation": Compose([Resize(SIZE), CenterCrop(SIZE), *last])}
    for split, way in ways.items():
        sets[split].set_transform(lambda rows, way=way: {"pixel_values": [way(i.convert("RGB")) for i in rows["image"]], "labels": rows["label"]})
    arguments = TrainingArguments(
        output_dir=str(out), num_train_epochs=epochs, per_device_train_batch_size=BATCH, per_device_eval_batch_size=BATCH, learning_rate=0.0005, seed=seed,
        eval_strategy="epoch", save_strategy="epoch", remove_unused_columns=False, use_cpu=True, report_to="none", disable_tqdm=True,
    )
    trainer = Trainer(
        model=model, args=arguments, train_dataset=sets["train"], eval_dataset=sets["validation"], processing_class=processor,
        data_collator=lambda rows: {"pixel_values": torch.stack([r["pixel_values"] for r in rows]), "labels": torch.tensor([r["labels"] for r in rows])},
        compute_metrics=lambda found: {"accuracy": float((np.argmax(found.predictions, 1) == found.label_ids).mean())},
    )
    trainer.train()
    return max(entry["eval_accuracy"] for entry in trainer.state.log_history if "eval_accuracy" in entry)


if __name__ == "__main__":
    kind, data, out, seed, epochs, *more = sys.argv[1:]
    train = {"timm": timm, "transformers": transformers}[kind]
    print(train(pathlib.Path(data), pathlib.Path(out), int(seed), int(epochs), *more))
