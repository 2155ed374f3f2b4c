"""The program `kronkeepd`: `kronkeepd probe` by itself, all else by command_line."""

import sys

from kronkeep_daemon import probe


def main() -> int:
    """Run `kronkeepd`.

    A probe runs several times a minute, on nodes that are busy too, so it imports nothing of the daemon: it
    takes 35 ms of CPU instead of 200.
    """
    if sys.argv[1:2] == ["probe"]:
        return probe.main(sys.argv[1:])
    from kronkeep_daemon import command_line

    return command_line.main()


if __name__ == "__main__":
    sys.exit(main())
