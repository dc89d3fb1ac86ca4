"""What models cost: the providers' lists, and the administrators' own prices before them."""
