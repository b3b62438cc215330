"""Sets that others hand in: packed with a claim, verified by retraining, searched for test images."""
