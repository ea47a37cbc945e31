"""An exported overlay video, frame by frame: is each picture the log's own frame, at its own time?

    python benchmarks/overlay_frames.py VIDEO --log LOG [--first 0] [--sheet out/sheet.png]

Finds the video panel in the first frames, then compares it in every frame of the file with the log's frame of the same
number and with those before and after. Prints one JSON line: frames, how many are nearest to their own frame, how far
times are off, and the subtitles with their times. The sheet shows 24 frames, evenly spaced.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import av
import numpy as np
from PIL import Image

import lapose_core as lp

SMALL = (96, 54)
"""Width and height in pixels at which pictures are compared."""


def small(picture: np.ndarray) -> np.ndarray:
    """Grey values [n], without their mean and of unit length. The lower part, where paths are drawn, is left out."""
    grey = np.asarray(Image.fromarray(picture).convert("L").resize(SMALL, Image.Resampling.BOX), np.float64)
    upper = grey[: int(0.6 * SMALL[1])].ravel()
    upper -= upper.mean()
    return upper / max(float(np.linalg.norm(upper)), 1e-9)


def panel_of(width: int, drive: lp.Drive) -> tuple[int, int]:
    """Width and height of the video's panel, which is in the upper left corner (`overlay_video`)."""
    panel = (width - 4) * 5 // 8
    return panel, min(round(panel * drive.height / drive.width), 720)


def subtitles(path: Path) -> list[tuple[float, float, str]]:
    """Begin and end in seconds, and the words."""
    out = []
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.subtitles):
            if packet.size > 2 and packet.pts is not None:
                begin = float(packet.pts * packet.time_base)
                text = bytes(packet)[2:].decode(errors="replace")
                out.append((begin, begin + float((packet.duration or 0) * packet.time_base), text))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0, help="the drive's frame that the video begins with")
    parser.add_argument("--sheet", type=Path, help="where a picture of 24 frames goes")
    chosen = parser.parse_args()
    drive = lp.open_log(chosen.log)
    source = drive.open_frames()
    own: dict[int, np.ndarray] = {}

    def frame(number: int) -> np.ndarray:
        if number not in own:
            own[number] = small(source.read(number))
        return own[number]

    right, least, late, kept, nearest_wrong = 0, 1.0, 0.0, [], []
    with av.open(str(chosen.video)) as container:
        count = container.streams.video[0].frames
        wanted = set(np.linspace(0, count - 1, 24).round().astype(int).tolist())
        for number, shown in enumerate(container.decode(video=0)):
            picture = shown.to_ndarray(format="rgb24")
            width, height = panel_of(picture.shape[1], drive)
            here = small(picture[:height, :width])
            at = chosen.first + number
            near = {k: float(here @ frame(k)) for k in (at - 1, at, at + 1) if 0 <= k < len(drive)}
            best = max(near, key=lambda k: near[k])
            # A standing car's frames are alike to the last digit that a codec keeps.
            alike = near[best] - near[at] < 1e-4
            right += best == at or alike
            if not (best == at or alike):
                nearest_wrong.append(at)
            least = min(least, near[at])
            due = float(drive.timestamps[at] - drive.timestamps[chosen.first])
            late = max(late, abs(float(shown.pts * shown.time_base) - due))
            if number in wanted:
                kept.append(picture)
            own.pop(at - 1, None)
    source.close()
    if chosen.sheet is not None and kept:
        tiles = [Image.fromarray(p).resize((480, round(480 * p.shape[0] / p.shape[1]))) for p in kept]
        sheet = Image.new("RGB", (4 * 480, -(-len(tiles) // 4) * tiles[0].height))
        for k, tile in enumerate(tiles):
            sheet.paste(tile, (k % 4 * 480, k // 4 * tile.height))
        chosen.sheet.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(chosen.sheet)
    print(
        json.dumps(
            {
                "benchmark": "overlay_frames",
                "frames": number + 1,
                "own_frame_nearest": right,
                "others": nearest_wrong[:20],
                "least_correlation": round(least, 4),
                "time_off_s": round(late, 5),
                "subtitles": [[round(a, 3), round(b, 3), text] for a, b, text in subtitles(chosen.video)],
            },
            ensure_ascii=False,
        )
    )


if __name__ == "__main__":
    main()
