"""Meta-labels: balanced clusters of labels."""
