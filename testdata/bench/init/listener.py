"""Print one line for every signal that arrives, of those named as numbers."""
import os
import signal
import sys

for number in sys.argv[1:]:
    signal.signal(int(number), lambda sig, frame: os.write(1, b"%d\n" % sig))
os.write(1, b"ready\n")
while True:
    signal.pause()
