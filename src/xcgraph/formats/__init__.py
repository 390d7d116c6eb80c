"""Files of the field's data sets on one side, memory-mapped sparse matrices on the other."""
