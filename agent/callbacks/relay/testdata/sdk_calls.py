"""Every call of trainer_sdk once, with little and with much in it, to the relay of the environment."""

import os
import sys

from trainer_sdk import Job, Platform

job = Job.load((), dict(os.environ))
platform = Platform.connect(job, ()) if hasattr(Platform, "connect") else Platform(job)
platform.heartbeat(1, {"loss": float("nan"), "val_loss": None, "accuracy": 0.5})
platform.heartbeat(2, {})
platform.event("note", "hello", {"nested": {"list": [1, None, float("inf")]}})
platform.event("bare", "")
platform.validation(1, {"mAP50-95": 0.5}, num_images=3, seconds=1.5, image_results_path="validation-results/epoch-1/images.json",
                    per_class_metrics=[{"class_id": 0, "class_name": "cat", "precision": 0.5, "recall": 0.5, "ap": 0.5, "support": 3}],
                    confusion_matrix=[[1, 0], [0, 2]], pr_curves={"cat": {"precision": [1.0], "recall": [0.5]}})
platform.validation(2, {})
platform.inference_progress(1, 4, 12.5)
platform.export_progress(50, "converting", "ONNX")
platform.done({"accuracy": 0.5}, checkpoint_path="checkpoints/best.pt")
platform.done(error="out of luck")
platform.test_run_done({"overall_metrics": {"accuracy": 0.5}, "results_path": "results.json"})
platform.inference_done({"results_path": "results.json"})
platform.export_done({"export_path": "model.onnx", "model_info": {"model_size_mb": 2.5, "inference_speed_ms": 1.0, "input_shape": [1, 3, 640, 640], "output_shape": [1, 84]},
                      "validation_metrics": {"accuracy": 0.5, "original_accuracy": 0.5, "accuracy_drop": 0.0, "passed": True}})
sys.stdout.write("sent")
