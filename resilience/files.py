"""Files that a reader finds as they were or as they are to be, never in part."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Put `content` (text in UTF-8) where `path` is, in one step; whoever else writes there does so in a file of its own."""
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(path)
    except OSError:  # a full disk keeps no half of it
        part.unlink(missing_ok=True)
        raise
