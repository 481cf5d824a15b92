"""lsmx under the names and signatures of other libraries, a module for each: ``from lsmx.adapters import trl``.

Importing this package, or a module of it, imports no library but NumPy. docs/adapters.md shows what goes in place of what.
"""
