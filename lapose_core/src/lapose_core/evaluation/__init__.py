"""How good an estimate is: pose metrics, motion regimes, baselines, latent and map quality, reports."""
