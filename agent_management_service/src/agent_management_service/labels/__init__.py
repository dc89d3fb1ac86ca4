"""Labels: names of versions, which say what answers whom."""
