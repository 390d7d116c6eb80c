"""Who else is told how a run goes: one file per tracker."""
