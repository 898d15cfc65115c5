"""What mkdocs does for this project beside its own: pages made of other files, and links.

The pages read well in a checkout, too, so links in them are those of the folder; here they
become the site's.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_TOOLS: Final = Path(__file__).parent
_DOCS: Final = _TOOLS.parent
_ROOT: Final = _DOCS.parent
_BORROWED: Final = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting.md",
    "inventories/fleet.toml": "inventories/fleet.toml",
    "inventories/hosts.csv": "inventories/hosts.csv",
    "inventories/servers.txt": "inventories/servers.txt",
    "inventories/ansible/hosts.ini": "inventories/ansible/hosts.ini",
}
"""Files outside docs/ that are part of the site, and where."""
_LINK: Final = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)")
_COMMANDS: Final = "<!-- commands -->"
_CODE_IN_ROW: Final = re.compile(r"^\|.*$", re.MULTILINE), re.compile(r"`[^`]+`")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that lie elsewhere."""
    for source, target in _BORROWED.items():
        files.append(File.generated(config, target, abs_src_path=str(_ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Write the commands' reference, and turn links to files into links to pages."""
    if _COMMANDS in markdown:
        markdown = markdown.replace(_COMMANDS, _commands())
    markdown = _pipes(markdown)
    source = Path(str(page.file.abs_src_path))
    return _LINK.sub(lambda link: _retarget(link[1], source), markdown)


def _pipes(markdown: str) -> str:
    """Bare the pipes in a table's code: a forge wants them escaped, Python-Markdown does not."""
    row, code = _CODE_IN_ROW
    return row.sub(
        lambda line: code.sub(lambda span: span[0].replace("\\|", "|"), line[0]), markdown
    )


def _commands() -> str:
    # The program that is described is the one of this checkout.
    sys.path[:0] = [str(_ROOT), str(_TOOLS)]
    try:
        from commands import reference  # noqa: PLC0415
    finally:
        del sys.path[:2]
    return reference()


def _retarget(link: str, source: Path) -> str:
    target = Path(os.path.normpath(source.parent / link))
    if not target.is_relative_to(_ROOT):
        return link
    path = target.relative_to(_ROOT).as_posix()
    return _BORROWED.get(path, path.removeprefix("docs/"))
