"""Training: shards of clips, the codec, latent-action pretraining, pose post-training, and their checkpoints."""
