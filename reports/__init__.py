"""Reports: sections that look at a run, and one builder that writes them in every format."""
