"""Commands on a store: ``python -m store backup|restore|check|info|keys``. What needs Marquee stopped says so."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite

from store import backups, inspection, keys_command, opening
from store.connections import check_version, path_of
from store.errors import StoreDamaged, StoreError, StoreInUse
from store.generation import beside, generation_of, has_log, owns_its_log
from store.keys_command import Answer

DEFAULT_URL = "sqlite:///var/marquee.db"


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns 0 on success, 1 if the store is not sound, 2 on failure."""
    asked = _parser().parse_args(arguments)
    try:
        check_version(sqlite.sqlite_version_info)
        run: Callable[[Path, argparse.Namespace], Answer] = asked.run
        values, text, code = run(path_of(asked.database), asked)
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{json.dumps(values, indent=2) if asked.json else text}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m store", description="Back up, restore and check Marquee's store.")
    parser.add_argument(
        "--database",
        default=os.environ.get("MARQUEE_DATABASE_URL") or DEFAULT_URL,
        help="the store's URL; by default MARQUEE_DATABASE_URL (%(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    backup = commands.add_parser("backup", help="copy the store, even while Marquee runs, and check the copy")
    backup.add_argument("folder", nargs="?", type=Path, help="target folder; by default one beside the store")
    backup.add_argument("--list", action="store_true", help="only list existing backups")
    backup.add_argument("--keep-days", type=_days, metavar="DAYS", help="delete backups older than this afterwards")
    backup.set_defaults(run=_backup)
    restore = commands.add_parser("restore", help="replace the store with a backup; Marquee must be stopped")
    restore.add_argument("backup", type=Path, help="a file, or the name of a backup beside the store")
    restore.set_defaults(run=_restore)
    check = commands.add_parser("check", help="check the store or a backup for damage")
    check.add_argument("file", nargs="?", type=Path, help="a backup; by default the store")
    check.add_argument("--light", action="store_true", help="check only pages and counts")
    check.set_defaults(run=_check)
    info = commands.add_parser("info", help="describe the contents of the store")
    info.add_argument("file", nargs="?", type=Path, help="a backup; by default the store")
    info.set_defaults(run=_info)
    keys_command.add_to(commands)
    return parser


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, but is {text!r}")
    return int(text)


def _backup(path: Path, asked: argparse.Namespace) -> Answer:
    folder = asked.folder or backups.folder_of(path)
    if asked.list:
        found = backups.list_backups(folder)
        lines = [f"{one.name}  {_moment(one.made_at)}  {one.size:,} bytes  {one.ratings:,} ratings" for one in found]
        return {"backups": [asdict(one) for one in found]}, "\n".join(lines) or f"There are no backups in {folder}.", 0
    _refuse_foreign_log(path)
    with backups.reading(path) as connection:
        if not inspection.is_store(connection):
            raise StoreError(f"{path} is not a Marquee store.")
        connection.rollback()
        source: Any = connection.connection.driver_connection
        source.isolation_level = None
        made = backups.back_up(source, folder, reason="asked", now=time.time())
    pruned = backups.prune(folder, asked.keep_days, time.time()) if asked.keep_days else []
    versions = f"{made.versions:,} version{'' if made.versions == 1 else 's'}"
    text = f"{folder / made.name}: {made.ratings:,} ratings, {versions}, {made.size:,} bytes, checked."
    if pruned:
        text += f"\nDeleted: {', '.join(pruned)}."
    return asdict(made) | {"path": str(folder / made.name), "pruned": pruned}, text, 0


def _restore(path: Path, asked: argparse.Namespace) -> Answer:
    backup = asked.backup if asked.backup.exists() else backups.folder_of(path) / asked.backup.name
    kept = backups.restore(backup, path, now=time.time())
    text = f"{path} was restored from {backup.name}."
    if kept is not None:
        text += f" The previous store is {kept.name}."
    return {"path": str(path), "restored": str(backup), "replaced": None if kept is None else str(kept)}, text, 0


def _check(path: Path, asked: argparse.Namespace) -> Answer:
    if asked.file is None:
        _refuse_foreign_log(path)
    path = asked.file or path
    try:
        with backups.reading(path) as connection:
            found = [f"{path} is not a Marquee store."]
            if inspection.is_store(connection):
                found = inspection.faults(connection, thorough=not asked.light)
    except StoreDamaged as error:
        found = [str(error)]
    return (
        {"path": str(path), "sound": not found, "faults": found},
        "\n".join(found) or f"{path} is sound.",
        bool(found),
    )


def _info(path: Path, asked: argparse.Namespace) -> Answer:
    path = asked.file or path
    if asked.file is None:
        _refuse_foreign_log(path)
    with backups.reading(path) as connection:
        if not inspection.is_store(connection):
            raise StoreError(f"{path} is not a Marquee store.")
        contents = inspection.contents(connection)
    log = beside(path, "-wal")
    newest = backups.list_backups(backups.folder_of(path))[:1]
    values = {
        "path": str(path),
        "size": path.stat().st_size,
        "log_size": log.stat().st_size if log.exists() else 0,
        **asdict(contents),
        "generation": generation_of(path),
        "newest_backup": asdict(newest[0]) if newest else None,
    }
    lines = [f"{name.replace('_', ' '):15} {_text(name, value)}" for name, value in values.items()]
    return values, "\n".join(lines), 0


def _text(name: str, value: Any) -> str:
    if name == "newest_backup":
        return f"{value['name']}, {_moment(value['made_at'])}" if value else "none"
    return "none" if value is None else f"{value:,}" if isinstance(value, int) and name != "generation" else str(value)


def _moment(unix: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(unix))


def _refuse_foreign_log(path: Path) -> None:
    """Check the log beside a store that is not open: it is read along with the store, so it must be its own."""
    if not path.is_file():
        raise StoreError(f"There is no store at {path}.")
    if not has_log(path) or owns_its_log(path):
        return
    try:
        with opening.locked(path):
            raise StoreError(
                f"A write-ahead log beside {path} does not belong to it, as happens when a backup is copied over a "
                "store. Start Marquee once: it keeps both, does not apply the log, and says what to do if the two "
                "belong together."
            )
    except StoreInUse:  # the Marquee that has it open has checked that
        return


if __name__ == "__main__":
    sys.exit(main())
