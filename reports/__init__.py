"""Reports: sections that describe a run, and one builder that writes them in every format."""
