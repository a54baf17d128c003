"""Published tables, and the pages that compare ours with them."""
