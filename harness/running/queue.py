"""Jobs that wait for a worker, in order, and by group: each look-up takes the same time however many wait."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class GroupedQueue(Generic[T]):
    """A queue whose entries can also be taken by their group, the one that waits longest first."""

    def __init__(self) -> None:
        self._all: OrderedDict[int, tuple[T, str]] = OrderedDict()
        self._groups: dict[str, OrderedDict[int, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def append(self, entry: T, group: str) -> None:
        """Adds an entry at the end; one of no group is in ""."""
        self._all[id(entry)] = (entry, group)
        self._groups.setdefault(group, OrderedDict())[id(entry)] = None

    def push_front(self, entry: T, group: str) -> None:
        """Adds an entry before all others."""
        self.append(entry, group)
        self._all.move_to_end(id(entry), last=False)
        self._groups[group].move_to_end(id(entry), last=False)

    def first(self, groups: Iterable[str] = ()) -> tuple[T, str] | None:
        """The first entry of the first of some groups that has any, and its group; None if none has. Without groups:
        the first of all."""
        for group in groups:
            if group and group in self._groups:
                return self._all[next(iter(self._groups[group]))]
        return None if groups or not self._all else next(iter(self._all.values()))

    def remove(self, entry: T) -> None:
        """Takes an entry out."""
        _, group = self._all.pop(id(entry))
        del self._groups[group][id(entry)]
        if not self._groups[group]:
            del self._groups[group]
