"""Logs of a run for TensorBoard, W&B or MLflow, beside the records."""
