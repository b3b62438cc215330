"""How functions run on a device: compiled, replayed as CUDA graphs, with numbers sent ahead."""
