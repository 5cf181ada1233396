"""`python -m harness` is the `harness` command."""

from harness.search_path import move_current_folder_last

if __name__ == "__main__":
    move_current_folder_last()  # before anything else is imported

from harness.cli import main

if __name__ == "__main__":
    main()
