"""Checkpoints: a folder with ``config.json``, ``model.safetensors`` and ``vqvae.safetensors``. Nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lapose_core.model.config import ConfigError, LaPoseConfig
from lapose_core.model.lapose import LaPose
from lapose_core.model.vqvae import VqVae

FORMAT = "lapose-checkpoint"
VERSION = 1
CONFIG, MODEL, CODEC = "config.json", "model.safetensors", "vqvae.safetensors"


class CheckpointError(Exception):
    """A checkpoint cannot be used. The message names the file, the field and what to do."""


def write_json(path: Path, value: object) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of it."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=2) + "\n")
    os.replace(part, path)


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write safetensors likewise."""
    part = path.with_name(path.name + ".part")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, part)
    os.replace(part, path)


def read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; a checkpoint folder holds {CONFIG}, {MODEL}, {CODEC}") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a JSON object")
    return value


def read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: not readable as safetensors ({error})") from error


def save_checkpoint(model: LaPose, folder: Path, training: Mapping[str, Any] | None = None) -> None:
    """Write ``model`` as a checkpoint folder; ``training`` says how it came to be (stages, steps, seed, data)."""
    folder.mkdir(parents=True, exist_ok=True)
    state = model.state_dict()
    write_tensors(folder / CODEC, {k[6:]: v for k, v in state.items() if k.startswith("vqvae.")})
    write_tensors(folder / MODEL, {k: v for k, v in state.items() if not k.startswith("vqvae.")})
    record = {
        "format": FORMAT, "version": VERSION, "model": model.config.to_dict(), "training": dict(training or {})
    }  # fmt: skip
    write_json(folder / CONFIG, record)


def read_config(folder: Path) -> tuple[LaPoseConfig, dict[str, Any]]:
    """The model's configuration and the training record of a checkpoint folder.

    Raises:
        CheckpointError: where it is not one of ours, or newer than this program.
    """
    path = folder / CONFIG
    record = read_json(path)
    if record.get("format") != FORMAT:
        raise CheckpointError(f"{path}: field 'format' is {record.get('format')!r}, not {FORMAT!r}: a foreign file")
    if record.get("version") != VERSION:
        raise CheckpointError(f"{path}: version {record.get('version')!r}; this program reads version {VERSION}")
    try:
        config = LaPoseConfig.from_dict(record["model"])
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{path}: field 'model': {error}") from error
    training = record.get("training")
    return config, training if isinstance(training, dict) else {}


def load_checkpoint(folder: Path, device: str | torch.device = "cpu") -> LaPose:
    """The model of a checkpoint folder, in eval mode on ``device``.

    Raises:
        CheckpointError: where a file is missing, foreign or does not fit the configuration.
    """
    folder = Path(folder)
    config, _ = read_config(folder)
    model = LaPose(config)
    state = read_tensors(folder / MODEL) | {f"vqvae.{k}": v for k, v in read_tensors(folder / CODEC).items()}
    load_state(model, state, folder)
    return model.to(device).eval()


def load_codec(folder: Path) -> VqVae:
    """The codec of a checkpoint folder (also of a ``lapose train vqvae`` run that has no model yet)."""
    config, _ = read_config(folder)
    codec = VqVae(config.vqvae)
    load_state(codec, read_tensors(folder / CODEC), folder)
    return codec.requires_grad_(False).eval()


def load_state(module: torch.nn.Module, state: Mapping[str, Tensor], source: Path) -> None:
    """Load tensors into a module; every name and shape must fit and every value must be finite.

    Raises:
        CheckpointError: naming the first tensor that does not.
    """
    own = module.state_dict()
    for name, tensor in own.items():
        if name not in state:
            raise CheckpointError(f"{source}: tensor {name!r} is missing; the weights are of another model")
        if state[name].shape != tensor.shape:
            raise CheckpointError(
                f"{source}: tensor {name!r} has shape {list(state[name].shape)}, the configuration asks for "
                f"{list(tensor.shape)}"
            )
        if not torch.isfinite(state[name]).all():
            raise CheckpointError(f"{source}: tensor {name!r} holds values that are not finite")
    extra = set(state) - set(own)
    if extra:
        raise CheckpointError(f"{source}: tensor {sorted(extra)[0]!r} is unknown to the configuration")
    module.load_state_dict(dict(state))


def checkpoint_hash(folder: Path) -> str:
    """12 hex digits that change with any weight or the configuration, and with nothing else."""
    folder = Path(folder)
    config, _ = read_config(folder)
    return _hash(folder, json.dumps(config.to_dict(), sort_keys=True), (MODEL, CODEC))


def codec_hash(folder: Path) -> str:
    """12 hex digits that change with any weight of a checkpoint's codec, and with nothing else."""
    return _hash(Path(folder), "", (CODEC,))


def _hash(folder: Path, told: str, names: tuple[str, ...]) -> str:
    digest = hashlib.sha256(told.encode())
    for name in names:
        try:
            with (folder / name).open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            raise CheckpointError(f"{folder / name}: {error.strerror}") from error
    return digest.hexdigest()[:12]
