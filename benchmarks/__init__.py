"""What is measured against peers, and how; none of it is installed with the package."""
