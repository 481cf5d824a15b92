"""The scripts beside this measure and draw when they are run; none of them is a test."""

collect_ignore_glob = ["*.py"]
