"""`python -m harness` is the `harness` command."""

import sys

from harness.search_path import move_current_folder_last

if __name__ == "__main__":
    move_current_folder_last()  # before anything else is imported


def start() -> None:
    """Runs the command, below a process that watches it where code from outside may run."""
    from harness.outside import forbid_ending
    from harness.supervision import may_run_code_from_outside, supervise

    if may_run_code_from_outside(sys.argv[1:]):
        supervise()
        forbid_ending()  # for good: also a thread of such a module, or what it registered for the end, ends nothing
    from harness.cli import main

    main()


if __name__ == "__main__":
    start()
