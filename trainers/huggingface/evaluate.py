"""A test run, under the name that the platform's job template calls it by: predict.py reads of the job what it is."""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("predict.py")), run_name="__main__")
