"""Callbacks for frameworks with a loop of their own: three lines to report from any of them.

Each module imports its framework and nothing else does: transformers, lightning, keras, ultralytics, fastai,
accelerate. All report every completed epoch, the validation where the primary metric is measured, and end the
training after the step under way when SIGTERM asks for it. Checkpoints are the framework's own, written below
`trainer_sdk.current().job.checkpoint_dir`: the agent uploads them. `wandb` is none of them: a command that makes a run of
Weights & Biases of a job that has ended.
"""
