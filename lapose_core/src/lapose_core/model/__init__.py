"""The LA-Pose network: tokenizer, inverse and forward dynamics, pose head, and the VQ-VAE whose codes they use."""
