"""A Slack channel export: its messages, and the votes that people gave by reaction. All of it is untrusted.

Read where it lies, a ZIP file too: nothing is unpacked, so that no name in it can lead anywhere, and every file is read
up to a limit, so that nothing in it can grow.
"""

from __future__ import annotations

import html
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from ..errors import InputError
from ..plain_text import one_line
from ..schema import ENVIRONMENTS

MAX_FILE = 20_000_000
MAX_ALL = 200_000_000
MAX_FILES = 20_000
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\.json")
_EMOJI = re.compile(r":([a-z0-9_+'-]{1,80})(?:::skin-tone-\d)?:")
_WORDS = {**{e: e for e in ENVIRONMENTS}, "prod": "production", "live": "production"}
_WHERE = re.compile(rf"\b({'|'.join(_WORDS)})\b", re.IGNORECASE)
_MARK = re.compile(r"<([@#!]?)([^<>|]{1,500})(?:\|([^<>]{0,500}))?>")
_QUIET = ("channel_", "group_", "bot_add", "bot_remove", "pinned_item", "unpinned_item", "reminder_add")
_LONG = 500


@dataclass(frozen=True)
class Message:
    """One message: when, its text in plain words, whether a program wrote it, and votes by environment, if it asked for any.

    `several`: how many people voted for more than one.
    """

    at: datetime
    text: str
    bot: bool = False
    votes: Mapping[str, int] = field(default_factory=dict)
    several: int = 0


@dataclass(frozen=True)
class Channel:
    """A channel: its messages in order of time, how many people wrote or reacted, the names of those whose name is in the
    export, and what was left out, in words."""

    name: str
    messages: tuple[Message, ...]
    people: int
    names: tuple[str, ...]
    left_out: tuple[str, ...]


def read(path: Path, *, channel: str | None = None, reactions: Mapping[str, str] | None = None) -> Channel:
    """The channel in the export at `path`: a ZIP file, or a folder, of a workspace or of one channel.

    `reactions`: emoji name -> environment, for votes whose message does not say which emoji means what. A message
    is a vote where it names at least two environments, each by an emoji, as ":factory: production", or has such reactions.
    Whoever wrote the vote and reacted with every option only offered them and is not counted.
    Raises InputError: no export, several channels and none chosen, too large, broken.
    """
    where = path.name[:100]
    files = _Zip(path, where) if path.is_file() else _Folder(path, where)
    days = sorted(
        (n for n in files.names() if _DAY.fullmatch(PurePosixPath(n).name)),
        key=lambda n: PurePosixPath(n).name,
    )
    channels = sorted({PurePosixPath(name).parent.name or where for name in days})
    chosen = channel.lstrip("#") if channel else channels[0] if len(channels) == 1 else None
    if chosen not in channels:
        shown = ", ".join(channels[:20]) or "none: a channel is files such as general/2020-12-10.json"
        raise InputError(
            f"Which channel? {len(channels)} are here.",
            where=where,
            remedy=f"Give --channel. Channels: {shown}.",
        )
    people, left = _people(files), {"no message of a person": 0, "unreadable": 0}
    found, seen = [], set()
    for name in days:
        if (PurePosixPath(name).parent.name or where) != chosen:
            continue
        for raw in files.load(name, list):
            if not isinstance(raw, dict) or (at := _at(raw.get("ts"))) is None:
                left["unreadable"] += 1
            elif str(raw.get("subtype") or "").startswith(_QUIET):
                left["no message of a person"] += 1
            else:
                found.append(_message(raw, at, people, reactions or {}))
                seen |= _who(raw)
    names = sorted({people[user] for user in seen if user in people})
    told = tuple(f"{n} {what}" for what, n in left.items() if n)
    return Channel(chosen, tuple(sorted(found, key=lambda m: m.at)), len(seen), tuple(names), told)


class _Files:
    """The files of an export, each read up to a limit, all together too."""

    def __init__(self, where: str) -> None:
        self._where, self._left = where, MAX_ALL

    def bytes_of(self, name: str, most: int) -> bytes:
        raise NotImplementedError

    def load(self, name: str, kind: type) -> Any:
        """JSON of the file `name`, which must be of `kind`."""
        data = self.bytes_of(name, min(MAX_FILE, self._left) + 1)
        self._left -= len(data)
        if len(data) > MAX_FILE or self._left < 0:
            raise InputError(
                f"{name[:100]} makes the export larger than {MAX_FILE:,} bytes a file or {MAX_ALL:,} in all.",
                where=self._where,
                remedy="Export one channel, and only the days of the GameDay.",
            )
        try:
            found = orjson.loads(data)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, kind):
            raise InputError(
                f"{name[:100]!r} is not what Slack exports.",
                where=self._where,
                remedy="Export the channel again.",
            )
        return found


class _Zip(_Files):
    def __init__(self, path: Path, where: str) -> None:
        super().__init__(where)
        with self._told():
            self._zip = zipfile.ZipFile(path)

    def names(self) -> list[str]:
        found = [n for n in self._zip.namelist() if not n.endswith("/")]
        if len(found) > MAX_FILES:
            raise InputError(
                f"It holds {len(found):,} files.", where=self._where, remedy="Export one channel."
            )
        return found

    def bytes_of(self, name: str, most: int) -> bytes:
        with self._told(), self._zip.open(name) as file:
            return file.read(most)

    def _told(self) -> _Told:
        return _Told(self._where)


class _Folder(_Files):
    def __init__(self, path: Path, where: str) -> None:
        super().__init__(where)
        self._root = path.resolve()
        if not self._root.is_dir():
            raise InputError("There is no such file or folder.", where=where, remedy="Check the path.")

    def names(self) -> list[str]:
        depth = (path for pattern in ("*.json", "*/*.json") for path in self._root.glob(pattern))
        inside = [p for p in sorted(depth) if p.is_file() and p.resolve().is_relative_to(self._root)]
        if len(inside) > MAX_FILES:
            raise InputError(
                f"It holds {len(inside):,} files.", where=self._where, remedy="Give one channel."
            )
        return [p.relative_to(self._root).as_posix() for p in inside]

    def bytes_of(self, name: str, most: int) -> bytes:
        with _Told(self._where), (self._root / name).open("rb") as file:
            return file.read(most)


class _Told:
    """Whatever a broken file raises, as an InputError."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        broken = (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            RuntimeError,
            NotImplementedError,
            ValueError,
            KeyError,
        )
        if isinstance(error, broken):
            raise InputError(
                "The export cannot be read: it is broken, encrypted or no ZIP file.",
                where=self._where,
                remedy="Give the ZIP file as Slack made it, or a folder of its files.",
            ) from None


def _people(files: _Zip | _Folder) -> dict[str, str]:
    """Names by user id, of users.json where it is there."""
    for name in files.names():
        if PurePosixPath(name).name == "users.json":
            users = [u for u in files.load(name, list) if isinstance(u, dict) and not u.get("is_bot")]
            named = ((u.get("id"), u.get("real_name") or u.get("name")) for u in users)
            return {
                i: one_line(n)[:80]
                for i, n in named
                if isinstance(i, str) and isinstance(n, str) and n.strip()
            }
    return {}


def _at(ts: Any) -> datetime | None:
    try:
        at = datetime.fromtimestamp(float(ts), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return at.replace(microsecond=0) if 2000 <= at.year < 2100 else None


def _who(raw: Mapping[str, Any]) -> set[str]:
    mine = {raw["user"]} if isinstance(raw.get("user"), str) and not raw.get("bot_id") else set()
    return mine.union(*(set(users) for _, users, _ in _reactions(raw)))


def _reactions(raw: Mapping[str, Any]) -> Iterator[tuple[str, list[str], int]]:
    """Emoji, who is listed, and how many: Slack may list fewer people than it counts."""
    listed = raw.get("reactions")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            given = one.get("users")
            users = [u for u in given if isinstance(u, str)] if isinstance(given, list) else []
            given = one.get("count")
            counted = given if isinstance(given, int) and 0 <= given < 1_000_000 else 0
            yield one["name"].split("::")[0], list(dict.fromkeys(users)), max(counted, len(set(users)))


def _message(
    raw: Mapping[str, Any], at: datetime, people: Mapping[str, str], stated: Mapping[str, str]
) -> Message:
    given = raw.get("text")
    text = given if isinstance(given, str) else ""
    votes, several = _votes(raw, text[:5000], stated)
    return Message(at, one_line(_unmarked(text, people))[:_LONG], bool(raw.get("bot_id")), votes, several)


def _votes(raw: Mapping[str, Any], text: str, stated: Mapping[str, str]) -> tuple[dict[str, int], int]:
    reactions = list(_reactions(raw))
    used = {name for name, _, _ in reactions}
    said = _options(text)
    options = said if len(set(said.values())) > 1 else {e: where for e, where in stated.items() if e in used}
    if not options:
        return {}, 0
    by = {where: set[str]() for where in options.values()}
    counts = dict.fromkeys(by, 0)
    for name, users, count in reactions:
        if name in options:
            by[options[name]] |= set(users)
            counts[options[name]] += count
    author = raw.get("user")
    if isinstance(author, str) and len(by) > 1 and all(author in users for users in by.values()):
        counts = {where: max(n - 1, 0) for where, n in counts.items()}
        by = {where: users - {author} for where, users in by.items()}
    voters = [user for users in by.values() for user in users]
    return dict(sorted(counts.items())), sum(voters.count(user) > 1 for user in set(voters))


def _options(text: str) -> dict[str, str]:
    """Emoji -> environment, as the words of a vote say it: the place named after each emoji, before the next."""
    marks = list(_EMOJI.finditer(text))
    ends = [m.start() for m in marks[1:]] + [len(text)] * bool(marks)
    found: dict[str, str] = {}
    for mark, end in zip(marks, ends, strict=True):
        place = _WHERE.search(text[mark.end() : end].split("\n")[0])
        if place:
            found.setdefault(mark[1], _WORDS[place[1].lower()])
    return found


def _unmarked(text: str, people: Mapping[str, str]) -> str:
    def shown(mark: re.Match[str]) -> str:
        sign, target, label = mark[1], mark[2], mark[3]
        if sign == "@":
            return people.get(target) or label or "somebody"
        if sign:
            return f"{sign}{label or target}" if sign == "#" else f"@{label or target.split('^')[0]}"
        return f"{label} ({target})" if label and label != target else target

    return html.unescape(_MARK.sub(shown, text[:20_000]))
