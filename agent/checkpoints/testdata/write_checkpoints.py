"""Writes checkpoints below the folder argv[1] with the frameworks' own code, three epochs each.

After each epoch it prints the framework and the names that should be in the bucket now, and waits for a line.
"""

import os
import sys
from argparse import Namespace
from pathlib import Path

os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", HF_HUB_OFFLINE="1", WANDB_DISABLED="true", TOKENIZERS_PARALLELISM="false")

import torch
from torch import nn

EPOCHS = 3
OUT = Path(sys.argv[1])
protocol, sys.stdout = sys.stdout, sys.stderr  # what the frameworks print is no answer to the test


def saved(framework, *names):
    print(framework, *names, file=protocol, flush=True)
    sys.stdin.readline()


class Tiny(nn.Module):
    """A model of 4 MB that Hugging Face's Trainer can train too."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1000, 1000)

    def forward(self, x, labels=None):
        y = self.layer(x)
        return {"loss": ((y - x) ** 2).mean(), "logits": y} if labels is not None else y


def ultralytics():
    """The dict of BaseTrainer.save_model, written as it writes it, and stripped at the end."""
    import io

    from ultralytics.utils.torch_utils import strip_optimizer

    weights = OUT / "ultralytics" / "train" / "weights"
    weights.mkdir(parents=True)
    model = Tiny()
    optimizer = torch.optim.AdamW(model.parameters())
    for epoch in range(EPOCHS):
        nn.init.uniform_(model.layer.weight)
        buffer = io.BytesIO()
        state = {
            "epoch": epoch, "best_fitness": 0.1 * epoch, "model": None, "ema": model, "updates": epoch,
            "optimizer": optimizer.state_dict(), "scaler": {}, "train_args": {"epochs": EPOCHS}, "train_metrics": {},
        }
        torch.save(state, buffer)
        for name in ("last.pt", "best.pt", f"epoch{epoch}.pt"):
            if name != "best.pt" or epoch == 1:
                (weights / name).write_bytes(buffer.getvalue())
        saved("ultralytics", "last.pt", f"epoch-{epoch + 1}.pt", *(["best.pt"] if epoch == 1 else []))
    for name in ("last.pt", "best.pt"):
        strip_optimizer(weights / name)


def timm():
    from timm.utils import CheckpointSaver

    out = OUT / "timm"
    model = Tiny()
    saver = CheckpointSaver(model, torch.optim.SGD(model.parameters(), 0.1), args=Namespace(model="tiny"), checkpoint_dir=str(out), max_history=2)
    for epoch in range(EPOCHS):
        nn.init.uniform_(model.layer.weight)
        saver.save_checkpoint(epoch, metric=[1.0, 3.0, 2.0][epoch])
        saved("timm", "last.pth.tar", f"epoch-{epoch + 1}.pth.tar")


def hugging_face():
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Saved(TrainerCallback):
        def on_save(self, args, state, control, **kwargs):
            saved("huggingface", "last/", f"epoch-{round(state.epoch)}/")

    data = [{"x": torch.rand(1000), "labels": torch.zeros(1)} for _ in range(8)]
    args = TrainingArguments(
        output_dir=str(OUT / "huggingface"), num_train_epochs=EPOCHS, per_device_train_batch_size=4, save_strategy="epoch",
        eval_strategy="epoch", save_total_limit=1, metric_for_best_model="eval_loss", greater_is_better=False,
        load_best_model_at_end=True, report_to=[], use_cpu=True, disable_tqdm=True, dataloader_pin_memory=False, learning_rate=1e-3,
    )
    trainer = Trainer(Tiny(), args, train_dataset=data, eval_dataset=data, callbacks=[Saved()])
    trainer.train()


def others():
    from safetensors.torch import save_file

    save_file(Tiny().state_dict(), OUT / "others" / "plain.safetensors", metadata={"format": "pt"})
    torch.save(Tiny().state_dict(), OUT / "others" / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.jit.script(nn.Linear(10, 10)).save(str(OUT / "others" / "scripted.torchscript"))


for write in (ultralytics, timm, hugging_face, others):
    write()
