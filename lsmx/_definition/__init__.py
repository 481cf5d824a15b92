"""One file per function, the formula above the code that is it."""
