"""`python -m infoprior`: the command, where its script is not on the path."""

from infoprior.cli import main

if __name__ == "__main__":
    main()
