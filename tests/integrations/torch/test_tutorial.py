"""The example program trains, dies by SIGKILL in the middle of an epoch, resumes, and compares."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "train_digits.py"


def test_a_training_that_is_killed_uses_the_samples_of_one_that_is_not():
    done = subprocess.run([sys.executable, str(EXAMPLE)], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    undisturbed, killed, resumed, same, accuracy = done.stdout.splitlines()
    assert undisturbed.startswith("undisturbed, no workers: step 120 in epoch 11, loss ")
    assert re.match(r"killed, two workers: +step 37 in epoch 3, .*; the last checkpoint is of step 36$", killed)
    assert resumed.split(": ")[1].strip() == undisturbed.split(": ")[1]
    assert same.startswith("both used the same 1,920 samples in the same order, and ended with the same weights")
    assert int(re.findall(r"\d+", accuracy)[0]) > 80
