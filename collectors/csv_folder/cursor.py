"""How far a folder was read."""

from __future__ import annotations

import os

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Seen(BaseModel):
    """A file as it was last read. `taken`: rows brought so far, None where that was all of them. `rows`: how many there
    are. `early`: it was there at the first poll."""

    model_config = ConfigDict(frozen=True)

    size: int = -1
    mtime: int = 0
    sha: str = ""
    taken: int | None = 0
    rows: int = 0
    early: bool = False

    def is_done(self, stat: os.stat_result) -> bool:
        return self.taken is None and (self.size, self.mtime) == (stat.st_size, stat.st_mtime_ns)


class Cursor(BaseModel):
    """Files by name. `shape`: of the settings they were read with. `since`: older rows of early files stay out."""

    since: AwareDatetime
    shape: str = ""
    files: dict[str, Seen] = {}

    def known(self, shape: str) -> dict[str, Seen]:
        """Nothing but their names where other columns or another zone may bring rows that could not be read before."""
        if shape == self.shape:
            return self.files
        return {name: Seen(early=seen.early) for name, seen in self.files.items()}
