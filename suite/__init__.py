"""RaT-Bench: dataset distillation, run and evaluated under one contract."""
