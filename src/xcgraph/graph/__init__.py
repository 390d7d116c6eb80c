"""Label correlation graphs: one builder per file."""
