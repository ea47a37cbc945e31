"""The command ``lapose``: finds the subcommand, lets tyro read its options, and turns errors into one line.

Only the module of the subcommand that was asked for is imported: ``lapose --help`` does not wait for torch.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from lapose_core.frames.heap import steady_heap


class _Runnable(Protocol):
    def run(self) -> int: ...


@dataclass(frozen=True)
class _Command:
    module: str
    name: str  # of the dataclass
    summary: str


_COMMANDS = {
    "info": _Command("info", "Info", "what a log holds"),
    "analyze": _Command("analyze", "Analyze", "run the model over a drive, into a folder of results"),
    "evaluate": _Command("evaluate", "Evaluate", "pose accuracy on logs with ground truth"),
    "confidence": _Command("confidence", "Confidence", "calibrate how far to trust each transition"),
    "report": _Command("report", "Report", "an HTML page about analysed drives"),
    "export": _Command("export", "Export", "an analysed drive in other programs' formats"),
    "doctor": _Command("doctor", "Doctor", "what this machine is and how fast, for a bug report"),
    "synth": _Command("synth", "Synth", "render synthetic drives with exact ground truth"),
    "shards": _Command("shards", "Shards", "cut or render clips to train on"),
    "train vqvae": _Command("train", "Vqvae", "train the image codec"),
    "train pretrain": _Command("train", "Pretrain", "learn latent actions from unlabelled video"),
    "train posttrain": _Command("train", "Posttrain", "train the camera-pose head on labelled clips"),
    "experiments run": _Command("experiments", "Run", "measure a trained model and the claims behind it"),
    "experiments report": _Command("experiments", "Report", "write docs/results.md from the experiments"),
}

BAD_INPUT, INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``lapose`` with the arguments ``argv`` (those of the process by default); returns the exit code.

    0: done. 2: the input is bad, and one line on stderr says what and where. 130: interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help(_COMMANDS, "lapose"))
        return 0 if arguments else BAD_INPUT
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"lapose {version('lapose-core')}")
        return 0
    for words in (2, 1):
        name = " ".join(arguments[:words])
        if name in _COMMANDS:
            return _run(_COMMANDS[name], f"lapose {name}", arguments[words:])
    group = {n: c for n, c in _COMMANDS.items() if n.startswith(f"{arguments[0]} ")}
    if group and arguments[1:2] in ([], ["-h"], ["--help"]):
        print(_help(group, f"lapose {arguments[0]}"))
        return 0 if arguments[1:] else BAD_INPUT
    known = ", ".join(group or _COMMANDS)
    return _fail(f"there is no command {' '.join(arguments[: 2 if group else 1])!r}; there are: {known}")


def _run(command: _Command, prog: str, arguments: list[str]) -> int:
    try:
        import tyro

        module = importlib.import_module(f"lapose_core.commands.{command.module}")
        kind = getattr(module, command.name)
        try:
            parsed = cast(_Runnable, tyro.cli(kind, args=arguments, prog=prog))
        except SystemExit as error:  # tyro has printed its help, or what is wrong with an option
            return error.code if isinstance(error.code, int) else BAD_INPUT
        steady_heap()
        return parsed.run()
    except KeyboardInterrupt:
        print("lapose: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, _expected()):
            return _fail(str(error))
        raise


def _expected() -> tuple[type[Exception], ...]:
    """What bad input raises. Anything else is a fault of the program, whose traceback is wanted."""
    from lapose_core.drive import LogError

    expected: tuple[type[Exception], ...] = (LogError, ValueError, OSError)
    checkpoints = sys.modules.get("lapose_core.training.checkpoints")
    return (*expected, checkpoints.CheckpointError) if checkpoints else expected


def _fail(message: str) -> int:
    print(f"lapose: {' '.join(message.split())}", file=sys.stderr)
    return BAD_INPUT


def _help(commands: dict[str, _Command], prog: str) -> str:
    lines = [f"usage: {prog} COMMAND [OPTIONS]", ""]
    lines += ["LA-Pose: camera motion from driving video by latent actions.", ""]
    lines += [f"  {name:<18}  {command.summary}" for name, command in commands.items()]
    return "\n".join([*lines, "", "`lapose COMMAND --help` lists a command's options; `lapose --version`."])


if __name__ == "__main__":
    sys.exit(main())
