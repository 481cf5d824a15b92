"""``lsmx bench``: this library beside others, in interleaved runs of one process."""
