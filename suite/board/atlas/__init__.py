"""The atlas of reproductions: every accuracy printed in a paper, beside ours under the same conditions."""
