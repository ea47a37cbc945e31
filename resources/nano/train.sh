#!/bin/sh
# The bundled checkpoint from nothing, on two CPU cores. Each stage resumes where it was stopped.
set -e
lapose=.venv/bin/lapose
runs=runs
shards=$runs/shards
[ -f $shards/held_out/done ] || { $lapose shards --out $shards/held_out --clips 256 --seed 5000000; touch $shards/held_out/done; }
[ -f $shards/train/done ] || { $lapose shards --out $shards/train --clips 4352 --seed 0; touch $shards/train/done; }
data="--data $shards/train --held-out $shards/held_out"
$lapose train vqvae $data --out $runs/nano/vqvae --training.steps 1800 --training.batch 12
$lapose train pretrain --codec $runs/nano/vqvae $data --out $runs/nano/pretrain --training.steps 2000 --training.motion-steps 2500
$lapose train posttrain --pretrained $runs/nano/pretrain $data --out $runs/nano/posttrain --training.steps 3500 --training.evaluate-every 1750
for file in config.json model.safetensors vqvae.safetensors evaluation.json; do
    cp $runs/nano/posttrain/$file resources/nano/
done
