"""What pages load: their own scripts and styles, and the chart library, from the Python package that ships it.

The chart library is Vega, Vega-Lite and Vega-Embed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType

from monitor_agent.errors import StackError
from monitor_agent.extras import REPORTS, loading
from monitor_agent.files import replace_file

PACKAGE = "vl-convert-python"
VEGA_LITE = "6.4"
STATIC = Path(__file__).parent / "static"


def static_path() -> str:
    """Return the path of the pages' own files; it names their content, so that browsers may keep them for long."""
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted(STATIC.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return f"/static/{digest.hexdigest()}"


def charts_library() -> ModuleType:
    """Return `vl_convert`.

    Raises
    ------
    MissingPackageError
        If it is not installed, or cannot be loaded.
    """
    with loading(REPORTS):
        import vl_convert
    return vl_convert


def bundle_name() -> str:
    """Return the file name of the bundle; it holds the versions of the libraries.

    Raises
    ------
    MissingPackageError
        If `vl_convert` is not installed.
    """
    with loading(REPORTS):
        return f"vega-{metadata.version(PACKAGE)}-{VEGA_LITE}.js"


def bundle(cache: Path, report: Callable[[str], None] = lambda _line: None) -> Path:
    """Return the path of the bundle in the folder `cache`; the first call writes it, which takes some seconds.

    Raises
    ------
    MissingPackageError
        If `vl_convert` is not installed.
    StackError
        If the bundle cannot be written.
    """
    path = cache / bundle_name()
    if not path.is_file():
        report("preparing the chart library, once")
        text = charts_library().javascript_bundle(vl_version=VEGA_LITE)
        try:
            cache.mkdir(parents=True, exist_ok=True)
            replace_file(path, text, concurrent=True)
        except OSError as error:
            raise StackError(f"{path} cannot be written ({error.strerror})", "set STACK_CACHE_DIR") from error
    return path
