"""Published tables, and the pages that set ours beside them."""
