"""`python -m trainer_agent ...` is `trainer-agent ...`: the binary takes this process's place."""

import os
import sys

from trainer_agent import find_trainer_agent

path = find_trainer_agent()
os.execv(path, [path, *sys.argv[1:]])
