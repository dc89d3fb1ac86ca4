"""What `./kgents` runs before anything is installed: standard library only, on any Python from 3.11.

Nothing here may import from outside the standard library and this package.
"""

__all__: list[str] = []
