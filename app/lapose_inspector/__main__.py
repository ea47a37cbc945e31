"""The command ``lapose-inspector``: parse, build, run."""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lapose_core.frames.heap import steady_heap
from lapose_inspector import __version__

if TYPE_CHECKING:
    from lapose_inspector.models.figure import FigureRequest


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line; on a mistake, argparse's message and exit code 2."""
    from lapose_inspector.actions.command import PANELS

    parser = argparse.ArgumentParser(
        "lapose-inspector", description="Watch LA-Pose estimate camera motion on a driving log."
    )
    parser.add_argument("log", nargs="?", type=Path, help="a video, a log, a data set or a drive of one")
    parser.add_argument("--drive", metavar="NAME", help="which drive of a data set; else the window lists them")
    parser.add_argument("--camera", metavar="NAME", help="which camera or image topic")
    parser.add_argument("--poses", type=Path, metavar="FILE", help="ground-truth poses: TUM, KITTI or CSV")
    parser.add_argument("--checkpoint", type=Path, metavar="DIR", help="trained model to use")
    parser.add_argument("--rate", type=_positive, metavar="HZ", help="frames per second to analyse")
    parser.add_argument("--device", choices=("auto", "cuda", "mps", "cpu"), help="where the model runs")
    parser.add_argument("--theme", choices=("dark", "light"))
    parser.add_argument("--no-restore", action="store_true", help="ignore the remembered layout and logs")
    picture = parser.add_argument_group("taking a picture of the window")
    picture.add_argument("--screenshot", type=Path, metavar="PNG", help="open LOG, write it, exit")
    picture.add_argument(
        "--figure",
        nargs=2,
        metavar=("PANEL", "FILE"),
        help=f"open LOG, write a panel for print as .png or .svg, exit; one of {', '.join(PANELS)}",
    )
    picture.add_argument("--width", type=_positive, default=160.0, metavar="MM", help="of the figure (default 160)")
    picture.add_argument("--dpi", type=_positive, default=300.0, metavar="N", help="of the figure (default 300)")
    picture.add_argument("--text", type=_positive, default=8.0, metavar="PT", help="text in the figure (default 8)")
    picture.add_argument("--whole", action="store_true", help="with what needs scrolling in the panel")
    picture.add_argument("--at", type=int, metavar="FRAME", help="frame at the cursor")
    picture.add_argument("--size", type=_size, metavar="WxH", help="of the window, such as 1280x800")
    picture.add_argument(
        "--analysis-seconds", type=_positive, default=600.0, metavar="S",
        help="take the picture after this time even when the analysis is not complete (default 600)",
    )  # fmt: skip
    parser.add_argument(
        "--doctor", action="store_true", help="print what the window is drawn with, as JSON, and exit (lapose doctor)"
    )
    parser.add_argument("--version", action="version", version=f"lapose-inspector {__version__}")
    options = parser.parse_args(argv)
    if (options.screenshot or options.figure) and options.log is None:
        parser.error("--screenshot and --figure need a LOG")
    if options.screenshot and options.figure:
        parser.error("--screenshot and --figure: one of them")
    if options.figure:
        panel, file = options.figure
        if panel not in PANELS:
            parser.error(f"--figure: there is no panel {panel!r}; there are {', '.join(PANELS)}")
        if Path(file).suffix.lower() not in (".png", ".svg"):
            parser.error(f"--figure: {file}: name a .png or .svg file")
    if options.log is None and (options.drive or options.camera or options.poses):
        parser.error("--drive, --camera and --poses need a LOG")
    if options.at is not None and options.at < 0:
        parser.error("--at must not be negative")
    return options


def main(argv: list[str] | None = None) -> int:
    """Run the program; 0, or 2 where it cannot do what was asked."""
    options = parse(argv)
    steady_heap()
    gc.disable()  # see collecting_what_comes
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    from lapose_inspector.application import (
        collecting_what_comes,
        display_problem,
        make_application,
        quitting_on_interrupt,
        reporting_exceptions,
    )

    problem = display_problem()
    if problem is not None:
        return _fail(problem)
    application = make_application()
    if options.doctor:
        from lapose_inspector.screen_facts import screen_facts

        print(json.dumps(screen_facts()))
        return 0
    from lapose_inspector.inspector import Inspector
    from lapose_inspector.models.settings import Folders
    from lapose_inspector.screenshot import Screenshot, panel_figure, window_picture
    from lapose_inspector.workers.latest import unfinished

    pictured = options.screenshot or options.figure
    remember = not options.no_restore and not pictured
    inspector = Inspector(
        Folders(), checkpoint=options.checkpoint, rate=options.rate, device=options.device, theme=options.theme,
        remember=remember,
    )  # fmt: skip
    problems: list[str] = []
    with reporting_exceptions(inspector), quitting_on_interrupt(inspector), collecting_what_comes(inspector):
        if options.size is not None:
            inspector.window.resize(*options.size)
        if pictured:
            inspector.window.move(0, 0)
            take = (
                panel_figure(inspector, _figure(options))
                if options.figure
                else window_picture(inspector, options.screenshot)
            )
            picture = Screenshot(inspector, take, options.at, options.analysis_seconds)
            picture.done.connect(problems.append)
            picture.done.connect(inspector.quit)
        inspector.window.show()
        if options.size is not None and not (inspector.settings.state and remember):
            inspector.window.reset_layout()
        if options.log is not None:
            poses = options.poses and options.poses.expanduser().absolute()
            inspector.open(options.log, poses, options.at or 0, drive=options.drive, camera=options.camera)
        elif remember:
            inspector.restore_last()
            inspector.tour.offer()
        application.exec()
        inspector.close()
    failed = [text for text in problems if text]
    code = _fail(failed[0]) if failed else 0
    if unfinished():
        # A library call that nothing can end still runs. Everything is saved; Python's and Qt's own end would
        # pull the ground from under it and crash.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _figure(options: argparse.Namespace) -> FigureRequest:
    from lapose_inspector.models.figure import FigureRequest, Form

    panel, file = options.figure
    path = Path(file)
    form: Form = "svg" if path.suffix.lower() == ".svg" else "png"
    return FigureRequest(
        panel, path, form, options.width, dpi=round(options.dpi), text=options.text, whole=options.whole
    )


def _fail(message: str) -> int:
    print(f"lapose-inspector: {message}", file=sys.stderr)
    return 2


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be a positive number")
    return value


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    numbers = width.isdecimal() and height.isdecimal()
    if not (numbers and 640 <= int(width) <= 8192 and 480 <= int(height) <= 8192):
        raise argparse.ArgumentTypeError("must be WIDTHxHEIGHT of at least 640x480, such as 1280x800")
    return int(width), int(height)


if __name__ == "__main__":
    sys.exit(main())
