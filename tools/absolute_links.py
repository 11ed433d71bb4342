"""Makes the relative links and pictures of README.md absolute, for the package index.

python tools/absolute_links.py https://github.com/OWNER/NAME v0.1.0

The index shows README.md without the repository around it. The release workflow runs this in its
own checkout before it builds; in the repository links stay relative, so that they lead to the same
branch.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"
_LINK = re.compile(r"(!?)(\[[^\]]*\])\((?![a-z]+:|#)([^)\s]+)\)")


def absolute_links(text: str, repository: str, revision: str) -> str:
    """A Markdown text whose relative links lead to a revision of a repository on GitHub.

    Args:
        text: with links relative to the root of the repository; anchors in it are left alone.
        repository: its web address.
        revision: a tag or commit.
    """

    def absolute(match: re.Match[str]) -> str:
        mark, label, target = match.groups()
        return f"{mark}{label}({repository}/{'raw' if mark else 'blob'}/{revision}/{target})"

    return _LINK.sub(absolute, text)


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    README.write_text(absolute_links(text, *sys.argv[1:]), encoding="utf-8")
