"""transformers' Trainer, bent to one job: a resume that loads everything or fails, checkpoints that can be used as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from clip import ZeroShotCLIP
from trainer_sdk import JobError, write_json
from transformers import Trainer


class JobTrainer(Trainer):
    """transformers' Trainer; a saved model has what is needed to use it beside it."""

    extra_files: Mapping[str, Any] = MappingProxyType({})
    drops_single = False  # the last batch of an epoch is one image, from which a batch norm cannot learn: it is left out

    def get_train_dataloader(self) -> Any:
        self.args.dataloader_drop_last = self.drops_single
        try:
            return super().get_train_dataloader()
        finally:
            self.args.dataloader_drop_last = False  # a validation has every image

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Load as from_pretrained does, every tensor or an error.

        A checkpoint has the hub's tensor names. Trainer's own loading compares them with the model's, which
        transformers 5 renamed, and goes on with what is equal: of a ViT 8 tensors of 200, without a word.
        """
        target = self.model if model is None else model
        saved, report = type(target).from_pretrained(resume_from_checkpoint, config=target.config, output_loading_info=True)
        if report["missing_keys"] or report["mismatched_keys"]:
            raise JobError(f"the checkpoint {resume_from_checkpoint} does not fit the job's model: {sorted(report['missing_keys'])[:3]} are missing")
        target.load_state_dict(saved.state_dict())
        if isinstance(target, ZeroShotCLIP):
            target.refresh_classes()  # with the text tower of the checkpoint

    def get_decay_parameter_names(self, model: torch.nn.Module) -> list[str]:
        """Without CLIP's temperature, which is no weight."""
        return [name for name in super().get_decay_parameter_names(model) if not name.endswith("logit_scale")]

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)
        folder = Path(output_dir or self.args.output_dir)
        for name, value in self.extra_files.items():
            write_json(folder / name, value)
        if tokenizer := getattr(self.model, "tokenizer", None):
            tokenizer.save_pretrained(folder)
