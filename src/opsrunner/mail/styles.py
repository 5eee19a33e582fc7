"""Writes a mail's style block into its elements, because mail programs drop style blocks."""

from __future__ import annotations


def inline_styles(html: str) -> str:
    """Return `html` with the rules of its style block in its elements; nothing is loaded from anywhere.

    A block marked ``data-css-inline="keep"`` (dark and narrow screens) stays where it is.
    """
    import css_inline  # noqa: PLC0415 - only who renders a mail pays for it

    inliner = css_inline.CSSInliner(minify_css=True, load_remote_stylesheets=False, keep_link_tags=False)
    return inliner.inline(html)
