"""Trains a classifier of handwritten digits on shards in a node, is killed in the middle of an epoch, and goes on.

Without arguments it is the whole demonstration: a node on a free port, one training that nobody disturbs, one that is
killed and goes on with other workers, and the comparison of both. With `--url` it is the training alone.

    pip install 'moss-store[torch]' pillow
    python examples/train_digits.py
"""

import argparse
import io
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from running_node import running_node
from torch import nn

from moss.integrations.torch import MossLoader, MossMapDataset
from moss.sdk import Client
from moss.sdk.dataset import DataAttribute, DatasetConfig, LabelAttribute

DIGITS = Path(__file__).parent / "data" / "digits"
BUCKET = "digits"
TRAINING_SAMPLES = range(160)
TEST_SAMPLES = range(160, 200)
EPOCHS = 12
BATCH_SIZE = 16
CHECKPOINT_STEPS = 4
DEATH_STEP = 37


def put_shards(url: str) -> None:
    """Five shards of 40 images with their labels, streamed into the node."""
    label = LabelAttribute("cls", lambda name: name.rpartition("-")[2])
    config = DatasetConfig(DataAttribute(DIGITS, "image", "png"), [label])
    Client(url).bucket(BUCKET).create().write_dataset(config, pattern="digits-%d.tar", maxcount=40)


def decode(name: str, parts: dict[str, bytes]) -> tuple[str, torch.Tensor, int]:
    """The name of a sample, its 64 pixels from 0 to 1, and the digit that it shows."""
    pixels = bytearray(Image.open(io.BytesIO(parts["image.png"])).tobytes())
    return name, torch.frombuffer(pixels, dtype=torch.uint8) / 255, int(parts["cls"])


def train(url: str, folder: Path, workers: int, die_at_step: int | None = None) -> None:
    """Trains for EPOCHS epochs, from the last checkpoint on if there is one.

    `folder` has `checkpoint.pt`, and `log.txt` with a line for each step that ends with the names of its samples.
    """
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    dataset = MossMapDataset.from_shards(Client(url).bucket(BUCKET), decode=decode)
    loader = MossLoader(
        dataset.subset(TRAINING_SAMPLES), BATCH_SIZE, True, seed=1, num_workers=workers, persistent_workers=workers > 0
    )
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    step = 0
    if (folder / "checkpoint.pt").exists():
        checkpoint = torch.load(folder / "checkpoint.pt")
        step = checkpoint["step"]
        model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        loader.load_state_dict(checkpoint["data"])
    with open_log(folder, step) as log:
        for epoch in range(loader.epoch, EPOCHS):
            for names, images, digits in loader:
                loss = nn.functional.cross_entropy(model(images), digits)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                step += 1
                log.write(f"{step} epoch {epoch} loss {loss.item():.4f} {' '.join(names)}\n")
                log.flush()
                if step == die_at_step:
                    os.kill(os.getpid(), signal.SIGKILL)
                if step % CHECKPOINT_STEPS == 0:
                    parts = {"model": model, "optimizer": optimizer, "data": loader}
                    save(folder, {"step": step} | {name: part.state_dict() for name, part in parts.items()})
    save(folder, {"step": step, "model": model.state_dict(), "accuracy": accuracy(model, dataset.subset(TEST_SAMPLES))})


def open_log(folder: Path, step: int) -> Any:
    """The log behind a step: later ones were not in the checkpoint and come again."""
    path = folder / "log.txt"
    lines = path.read_text().splitlines(keepends=True)[:step] if path.exists() else []
    path.write_text("".join(lines))
    return path.open("a")


def save(folder: Path, checkpoint: dict[str, Any]) -> None:
    """Whole or not at all."""
    torch.save(checkpoint, folder / "checkpoint.new")
    (folder / "checkpoint.new").replace(folder / "checkpoint.pt")


def accuracy(model: nn.Module, dataset: MossMapDataset) -> float:
    """Part of the samples that the model recognizes."""
    ((_, images, digits),) = MossLoader(dataset, len(dataset))
    return float((model(images).argmax(dim=1) == digits).float().mean())


def run_training(url: str, folder: Path, workers: int, die_at_step: int | None = None) -> None:
    """Runs this program once more, as a process that can be killed."""
    command = [sys.executable, __file__, "--url", url, "--folder", str(folder), "--workers", str(workers)]
    if die_at_step is not None:
        command += ["--die-at-step", str(die_at_step)]
    status = subprocess.run(command).returncode
    expected = 0 if die_at_step is None else -signal.SIGKILL
    if status != expected:
        raise SystemExit(f"the training ended with status {status} instead of {expected}")


def demonstrate(folder: Path) -> None:
    undisturbed, killed = folder / "undisturbed", folder / "killed"
    with running_node(folder / "data") as node:
        put_shards(node.url)
        train(node.url, undisturbed, workers=0)
        print(f"undisturbed, no workers: {last_line(undisturbed)}")
        run_training(node.url, killed, workers=2, die_at_step=DEATH_STEP)
        step = torch.load(killed / "checkpoint.pt")["step"]
        print(f"killed, two workers:     {last_line(killed)}; the last checkpoint is of step {step}")
        run_training(node.url, killed, workers=1)
        print(f"resumed, one worker:     {last_line(killed)}")
    logs = [(run / "log.txt").read_text() for run in (undisturbed, killed)]
    ends = [torch.load(run / "checkpoint.pt") for run in (undisturbed, killed)]
    if logs[0] != logs[1]:
        raise SystemExit("the samples came in another order")
    if any(not torch.equal(ends[0]["model"][name], ends[1]["model"][name]) for name in ends[0]["model"]):
        raise SystemExit("the weights differ")
    count = sum(len(line.split()) - 5 for line in logs[0].splitlines())
    print(f"both used the same {count:,} samples in the same order, and ended with the same weights, bit for bit;")
    print(f"they recognize {ends[0]['accuracy']:.0%} of the images that they never saw")


def last_line(folder: Path) -> str:
    words = (folder / "log.txt").read_text().splitlines()[-1].split()
    return f"step {words[0]} in epoch {words[2]}, loss {words[4]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="train on the shards in this node, instead of the demonstration")
    parser.add_argument("--folder", type=Path, default=Path("."), help="of the checkpoint and the log")
    parser.add_argument("--workers", type=int, default=2, help="processes that read and decode")
    parser.add_argument("--die-at-step", type=int, help="be killed there")
    options = parser.parse_args()
    if options.url:
        train(options.url, options.folder, options.workers, options.die_at_step)
    else:
        with tempfile.TemporaryDirectory(prefix="moss-train-") as folder:
            demonstrate(Path(folder))


if __name__ == "__main__":
    main()
