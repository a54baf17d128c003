"""``python -m robobench`` is ``robobench``."""

from robobench.cli import main

if __name__ == "__main__":
    main()
