"""Reports on finished runs: tables, statistics and figures, as Markdown and as one HTML page."""
