"""dbt's command line as Saldo starts it, without what dbt makes in vain or anew in each process.

Of the Python in a build's nodes, half was spent on messages for debugging that nobody reads, on
templates that were compiled by the dbt before, and on finding macros. dbt has no setting for these,
so methods of it and of Jinja are replaced; a build makes the same as with `dbt` itself. Not
imported: `dbt_project.DBT` and `dbt_forks.py` run this file.
"""

from __future__ import annotations

import atexit
import gc
import marshal
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from types import CodeType
from typing import Any

_TEMPLATES = "templates.marshal"
# Code that these made is made anew after another of them has been installed.
_MAKERS = ("dbt-core", "dbt-common", "jinja2")

Key = tuple[str, str]


class KeptTemplates:
    """The code of templates, kept in a file for the next dbt.

    A file that another version wrote, that is damaged or cannot be read is as one that is missing.

    Args:
        path: the file, in a folder that there is.

    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._former: dict[Key, CodeType] = {}
        self._used: dict[Key, CodeType] = {}
        versions = [f"{name} {metadata.version(name)}" for name in _MAKERS]
        self._version = repr((sys.version, versions)).encode()
        with suppress(OSError):
            content = path.read_bytes()
            digest, code = content[:32], content[32:]
            if self._hash(code) == digest:
                self._former = marshal.loads(code)  # noqa: S302 (as this wrote it)

    def _hash(self, code: bytes) -> bytes:
        return sha256(self._version + code).digest()

    def find(self, key: Key) -> CodeType | None:
        """Return the code of a template; None if it is to be compiled."""
        code = self._used.get(key) or self._former.get(key)
        if code is not None:
            self._used[key] = code
        return code

    def keep(self, key: Key, code: CodeType) -> None:
        """Keep the code of a template."""
        self._used[key] = code

    def write(self) -> None:
        """Write the templates that this dbt used, if one is new; a full disk is no failure."""
        if self._used.keys() <= self._former.keys():
            return
        code = marshal.dumps(self._used)
        part = self._path.with_suffix(".part")
        try:
            part.write_bytes(self._hash(code) + code)
            part.replace(self._path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def compile_once(kept: KeptTemplates) -> None:
    """Have Jinja take the code of a text from what is kept.

    It depends on the text and on the kind of environment alone: dbt has one of each kind.
    """
    from jinja2 import Environment  # noqa: PLC0415 (after the garbage collector is off)

    compile_text = Environment.compile

    def find_or_compile(environment: Environment, source: Any, *others: Any, **named: Any) -> Any:
        if others or named or not isinstance(source, str):
            return compile_text(environment, source, *others, **named)
        # A plain text: of a subclass of str, nothing can be kept.
        key = type(environment).__name__, str(source)
        code = kept.find(key)
        if code is None:
            code = compile_text(environment, source)
            kept.keep(key, code)
        return code

    Environment.compile = find_or_compile  # type: ignore[assignment, method-assign]


def tell_only_what_is_heard() -> None:
    """Have dbt leave out messages for debugging where no log takes them.

    It made each of them, and wrote it as JSON without the secrets that it looked for, before it
    asked. One that is asked for something is made then.
    """
    from dbt_common.events.base_types import BaseEvent, DebugLevel, EventLevel  # noqa: PLC0415 (as above)
    from dbt_common.events.event_manager import EventManager  # noqa: PLC0415 (as above)

    make: Callable[..., None] = BaseEvent.__init__
    look_up: Callable[[BaseEvent, str], Any] = BaseEvent.__getattr__
    fire = EventManager.fire_event

    def note(event: BaseEvent, *values: Any, **fields: Any) -> None:
        if isinstance(event, DebugLevel):
            vars(event)["noted"] = values, fields
        else:
            make(event, *values, **fields)

    def make_when_asked(event: BaseEvent, name: str) -> Any:
        if "noted" in vars(event):
            values, fields = vars(event).pop("noted")
            make(event, *values, **fields)
        return look_up(event, name)

    def fire_if_heard(
        manager: EventManager,
        event: BaseEvent,
        level: EventLevel | None = None,
        *others: Any,
        **named: Any,
    ) -> None:
        is_heard = any(logger.level == EventLevel.DEBUG for logger in manager.loggers)
        if is_heard or (level or event.level_tag()) != EventLevel.DEBUG:
            fire(manager, event, level, *others, **named)

    BaseEvent.__init__ = note  # type: ignore[assignment, method-assign]
    BaseEvent.__getattr__ = make_when_asked  # type: ignore[method-assign]
    EventManager.fire_event = fire_if_heard  # type: ignore[assignment, method-assign]


def find_macros_once() -> None:
    """Have dbt join the macros of a namespace once, not look each of them up in five places.

    Each node has two namespaces or three, with hundreds of macros of which it calls a few.
    """
    from dbt.context.macros import MacroNamespace  # noqa: PLC0415 (as above)
    from dbt.context.manifest import ManifestContext  # noqa: PLC0415 (as above)

    take_macros = ManifestContext.to_dict

    def join(namespace: Any) -> dict[str, Any]:
        if "joined" not in vars(namespace):
            joined: dict[str, Any] = {}
            for macros in reversed([*namespace._search_order()]):
                joined.update(macros)
            namespace.joined = joined
        return namespace.joined  # type: ignore[no-any-return]

    def take_joined(context: ManifestContext) -> dict[str, Any]:
        if not isinstance(context.namespace, MacroNamespace):
            return take_macros(context)
        members: dict[str, Any] = super(ManifestContext, context).to_dict()
        # A dictionary is taken at once, another mapping name by name.
        members.update(join(context.namespace))
        return members

    MacroNamespace.__iter__ = lambda namespace: iter(join(namespace))  # type: ignore[method-assign]
    MacroNamespace.__getitem__ = lambda namespace, name: join(namespace)[name]  # type: ignore[method-assign]
    ManifestContext.to_dict = take_joined  # type: ignore[method-assign]


def make_macros_at_once() -> None:
    """Have dbt make the macros of a namespace without four functions for each of them."""
    from dbt.clients.jinja import MacroGenerator  # noqa: PLC0415 (as above)
    from dbt.context.macros import MacroNamespace, MacroNamespaceBuilder  # noqa: PLC0415 (as above)

    def build(
        builder: MacroNamespaceBuilder,
        macros_by_package: dict[str, dict[str, Any]],
        ctx: dict[str, Any],
    ) -> MacroNamespace:
        bound = {"context": ctx, "node": builder.node, "stack": builder.thread_ctx}
        packages: dict[str, Any] = {}
        for package, macros in macros_by_package.items():
            packages[package] = made = {}
            for name, macro in macros.items():
                made[name] = generator = MacroGenerator.__new__(MacroGenerator)
                generator.__dict__ = {**bound, "macro": macro}
        own: dict[str, Any] = {}
        for package in reversed(builder.internal_package_names_order):
            own.update(packages.pop(package, {}))
        root = builder.root_package
        return MacroNamespace(
            global_namespace={} if root == builder.search_package else packages.get(root, {}),
            local_namespace=packages.get(builder.search_package, {}),
            global_project_namespace=own,
            packages=packages,
        )

    MacroNamespaceBuilder.build_namespace = build  # type: ignore[assignment, method-assign]


def main() -> None:
    """Run dbt with the arguments of this process."""
    # It ends with its build, and nearly all objects stay in use until then, at its end too.
    gc.disable()
    atexit.register(gc.freeze)
    from dbt.cli.main import cli  # noqa: PLC0415 (after the garbage collector is off)

    tell_only_what_is_heard()
    make_macros_at_once()
    find_macros_once()
    if target := os.environ.get("DBT_TARGET_PATH"):
        kept = KeptTemplates(Path(target) / _TEMPLATES)
        compile_once(kept)
        atexit.register(kept.write)
    cli(prog_name="dbt")


if __name__ == "__main__":
    main()
