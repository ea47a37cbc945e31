"""Reading back what the program stored for the user: a file that cannot be read never stops it."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

log = logging.getLogger(__name__)

Model = TypeVar("Model", bound=BaseModel)


def read_or_set_aside(path: Path, kind: type[Model]) -> Model | None:
    """The JSON file ``path`` as a ``kind``; None where there is none.

    One that cannot be read, or is no ``kind``, is renamed to ``NAME.bad`` and logged, and counts as none.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        aside = path.with_name(path.name + ".bad")
        log.warning("%s cannot be read and is set aside as %s: %s", path, aside.name, error)
        with contextlib.suppress(OSError):
            os.replace(path, aside)
        return None
