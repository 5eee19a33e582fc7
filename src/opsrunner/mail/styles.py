"""Writes a mail's style block into its elements, because mail programs drop style blocks."""

from __future__ import annotations


def inline_styles(html: str) -> str:
    """Return `html` with every rule inlined; at-rules (dark mode, narrow screens) stay in the head.

    Nothing is loaded from anywhere.
    """
    import css_inline  # noqa: PLC0415 - only who renders a mail pays for it

    inliner = css_inline.CSSInliner(
        keep_at_rules=True, minify_css=True, load_remote_stylesheets=False, keep_link_tags=False
    )
    return inliner.inline(html)
