#!/bin/sh
# `python`, which is the agent when it is the container's first process: `command: ["python"], args: ["train.py"]` of a
# Job template then runs `trainer-agent run -- python train.py`. exec keeps the process id, so the agent is PID 1.
if [ "$$" = 1 ]; then
    exec trainer-agent run -- @PYTHON@ "$@"
fi
exec @PYTHON@ "$@"
