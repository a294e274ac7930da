"""What is wrong with a data set, said before a minute is spent on training."""
