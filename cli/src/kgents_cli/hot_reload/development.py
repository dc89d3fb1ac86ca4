"""What `kgents dev` does: look at the files whenever something changes, reload those that hold something else."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from watchfiles import watch

from kgents_cli.hot_reload.outcomes import Outcome, State
from kgents_cli.hot_reload.reloader import Reloader
from kgents_cli.hot_reload.sources import Sources

# Events that come within a step of each other are one save; one that never ends is looked at after the longest wait.
_STEP_MS = 20
_LONGEST_MS = 200
# Also without an event the files are looked at: some file systems tell of none.
_LOOK_EVERY_MS = 1000
_AT_ONCE = 8


class Development:
    """Watches files and keeps their agents as they say.

    `tell` is called from several threads, one at a time; `note` once if the system has no watches left.
    """

    def __init__(
        self, sources: Sources, reloader: Reloader, tell: Callable[[Outcome], None], note: Callable[[str], None]
    ) -> None:
        self._sources = sources
        self._reloader = reloader
        self._tell = tell
        self._note = note
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._known = set[Path]()
        self._seen: dict[Path, bytes] = {}
        self._waiting: dict[Path, tuple[bytes, float]] = {}
        self._busy = set[Path]()
        self._told: dict[Path, Outcome] = {}
        self._fault: BaseException | None = None
        self._pool = ThreadPoolExecutor(_AT_ONCE, "reload")

    def run(self) -> None:
        """Look, and go on looking until `stop` or an interrupt."""
        try:
            self._look(is_quiet=False)
            for is_quiet in self._changes():
                self._look(is_quiet=is_quiet)
        finally:
            self.stop()
            self._pool.shutdown(cancel_futures=True)
        if self._fault is not None:
            raise self._fault

    def stop(self) -> None:
        """Make `run` return; what is being reloaded is no longer waited for."""
        self._stop.set()

    def _changes(self) -> Iterator[bool]:
        """When to look again, and whether that is because nothing happened."""
        try:
            for events in watch(
                *self._sources.watched_folders(),
                watch_filter=None,
                debounce=_LONGEST_MS,
                step=_STEP_MS,
                rust_timeout=_LOOK_EVERY_MS,
                yield_on_timeout=True,
                recursive=False,
                ignore_permission_denied=True,
                stop_event=self._stop,
            ):
                yield not events
        except (OSError, RuntimeError) as fault:
            self._note(f"the system tells of no changes ({fault}): looking at the files every second instead")
            while not self._stop.wait(_LOOK_EVERY_MS / 1000):
                yield True

    def _look(self, *, is_quiet: bool) -> None:
        now = time.perf_counter()
        snapshot = self._sources.read()
        with self._lock:
            for file, content in snapshot.contents.items():
                if self._seen.get(file) != content:
                    self._known.add(file)
                    self._seen[file] = content
                    self._waiting[file] = (content, now)
                    if file not in self._busy:
                        self._busy.add(file)
                        self._pool.submit(self._guarded_work, file)
            # An editor may empty a file, or take it away, for a moment before it puts something in its place.
            for file, trouble in snapshot.troubles.items() if is_quiet else ():
                self._told_once(Outcome(file, State.WAITING, message=f"it can't be taken up: it {trouble}"))
            gone = self._known - snapshot.contents.keys() - snapshot.troubles.keys() - self._busy
            for file in sorted(gone) if is_quiet else ():
                self._known.discard(file)
                self._seen.pop(file, None)
                self._told_once(Outcome(file, State.GONE, self._reloader.forget(file)))

    def _guarded_work(self, file: Path) -> None:
        """What goes wrong in a thread ends the whole, instead of this file alone and in silence."""
        try:
            self._work(file)
        except BaseException as fault:
            self._fault = fault
            self.stop()
            raise

    def _work(self, file: Path) -> None:
        """Reload a file until it holds nothing newer."""
        while True:
            with self._lock:
                newest = self._waiting.pop(file, None)
                if newest is None or self._stop.is_set():
                    self._busy.discard(file)
                    return
            content, since = newest
            outcome = self._reloader.reload(file, content, since, lambda: self._is_over(file))
            with self._lock:
                if outcome.state is State.WAITING and self._seen.get(file) == content:
                    del self._seen[file]
                self._told_once(outcome)

    def _is_over(self, file: Path) -> bool:
        return file in self._waiting or self._stop.is_set()

    def _told_once(self, outcome: Outcome) -> None:
        """Tell it, unless it waits for the same as before."""
        if outcome.state is State.SUPERSEDED:
            return
        if outcome.state is not State.WAITING or self._told.get(outcome.file) != outcome:
            self._tell(outcome)
        self._told[outcome.file] = outcome
