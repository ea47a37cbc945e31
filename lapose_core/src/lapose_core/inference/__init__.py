"""From a drive and a model to poses, latents and what the model predicts: live, whole-drive, stored."""
