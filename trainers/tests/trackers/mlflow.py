"""Stands in for MLflow, which Ultralytics uses whenever it is installed: its first use ends the process."""

import os

__version__ = "0"


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(name)
    print(f"[guard] a trainer used mlflow.{name}", flush=True)
    os._exit(99)
