"""The kinds of augmentations: `single` has those of single images, `mixing` those that mix a batch."""
