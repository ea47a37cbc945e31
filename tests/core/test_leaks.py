"""The leak check finds what training and test worlds share; the two banks of textures share nothing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from lapose_core.drive import LogError
from lapose_core.evaluation.leaks import find_leaks, fingerprint, shard_seeds
from lapose_core.synth import SynthConfig, SyntheticDrive
from lapose_core.synth.textures import BANKS, HELD_OUT, atlas


def test_training_and_test_worlds_share_nothing() -> None:
    found = find_leaks(range(40), range(HELD_OUT, HELD_OUT + 10), sample=10)
    assert not found
    assert (found.training, found.test, found.opened) == (40, 10, 10)
    assert "nothing is shared" in str(found)
    assert found.to_dict()["clean"] is True


def test_a_shared_seed_is_found_even_outside_the_sample() -> None:
    found = find_leaks(range(300), [HELD_OUT, 123], sample=3)
    assert found
    assert found.seeds == (123,)
    # The same world in both sets: each of its parts is found as well, not only its number.
    assert len(found.layouts) == len(found.furniture) == len(found.looks) == 1
    assert found.textures
    assert "1 seeds (123)" in str(found)
    assert found.to_dict()["clean"] is False


def test_test_worlds_below_the_held_out_seeds_share_the_training_textures() -> None:
    found = find_leaks([1], [2])
    assert not found.seeds
    assert not found.layouts
    assert found.textures


def test_a_fingerprint_is_the_world_s_and_no_other_s() -> None:
    assert fingerprint(HELD_OUT + 3) == fingerprint(HELD_OUT + 3)
    worlds = [fingerprint(seed) for seed in range(12)]
    for part in ("layout", "look"):
        assert len({getattr(world, part) for world in worlds}) == len(worlds)


def test_the_banks_have_no_texture_in_common_and_both_are_seen() -> None:
    training, held_out = (fingerprint(seed).textures for seed in (0, HELD_OUT))
    assert len(training) == len(held_out) > 30
    assert not training & held_out
    assert set(BANKS) == {"training", "held-out"}
    assert len(atlas("training")) == len(atlas("held-out"))


def test_a_held_out_world_is_rendered_with_its_own_bank() -> None:
    drive = SyntheticDrive.generate(HELD_OUT, 1.0, config=SynthConfig(lighting="day", weather="clear"))
    own = drive.render(5).astype(int)

    def difference(seed: int) -> float:
        """From the same world with the sensor noise, and the bank, of another seed."""
        return float(np.abs(dataclasses.replace(drive, seed=seed).render(5) - own).mean())

    assert difference(7) > 2.0 * difference(HELD_OUT + 7)


@pytest.mark.parametrize(("training", "test"), [([], [1]), ([1], [])])
def test_an_empty_set_is_refused(training: list[int], test: list[int]) -> None:
    with pytest.raises(ValueError, match="leak check"):
        find_leaks(training, test)


def test_seeds_come_from_the_shards_own_record(tmp_path: Path) -> None:
    def index(origin: object) -> Path:
        (tmp_path / "shards.json").write_text(json.dumps({"origin": origin}))
        return tmp_path

    assert shard_seeds(index({"synthetic": {"seed": 70, "clips": 5}})) == range(70, 75)
    assert shard_seeds(index({"logs": ["a"]})) == range(0)
    for origin in (None, {"synthetic": {"seed": 1}}, {"synthetic": {"seed": "x", "clips": 1}}):
        with pytest.raises(LogError, match="origin"):
            shard_seeds(index(origin))
    with pytest.raises(LogError, match="no such file"):
        shard_seeds(tmp_path / "elsewhere")
