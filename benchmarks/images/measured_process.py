"""What other benchmarks run as a process of its own: `laconic` with these arguments; then it prints the peak memory."""

import sys

from peak_memory import peak_bytes

from laconic.tasks.cli import main as command_line


def main() -> None:
    sys.argv[0] = "laconic"
    try:
        command_line()
    except SystemExit as done:
        if done.code:
            raise
    print(peak_bytes())


if __name__ == "__main__":
    main()
