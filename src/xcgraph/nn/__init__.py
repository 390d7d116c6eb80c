"""Networks: encoder, label-graph layer, fusion, classifier; plain torch and torch-geometric."""
