"""Rebuilds examples/data from the packages that its files come from; for maintainers, `make run` only reads it.

    pip install scikit-learn==1.9.1 scikit-image==0.26.0 pillow
    apt-get download asterisk-core-sounds-en-wav && dpkg -x asterisk-core-sounds-en-wav_*.deb sounds
    python examples/make_data.py sounds

Origins and licences: examples/data/LICENSES.md.
"""

import importlib.util
import shutil
import sys
from pathlib import Path

DATA = Path(__file__).parent / "data"
DIGIT_COUNT = 200
PHOTOS_OF_SKIMAGE = (
    "camera.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "retina.jpg",
    "rocket.jpg",
)
SPEECH_FOLDERS = ("digits", "letters", "phonetic")
SPEECH_NAMES_OF = {
    "digits": [str(number) for number in (*range(21), 30, 40, 50, 60, 70, 80, 90)],
    "letters": [chr(code) for code in range(ord("a"), ord("z") + 1)],
    "phonetic": [f"{chr(code)}_p" for code in range(ord("a"), ord("z") + 1)],
}


def export_digits() -> None:
    """Writes the first images of the optical digits set as 8-bit grey PNG files, 8 x 8 pixels, named by label."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    folder = DATA / "digits"
    folder.mkdir(parents=True)
    for index in range(DIGIT_COUNT):
        pixels = (digits.images[index] * 255 / 16).round().astype("uint8")
        Image.fromarray(pixels).save(folder / f"{index:03d}-label-{digits.target[index]}.png", optimize=True)


def package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None, f"{package} is not installed"
    return Path(spec.origin).parent


def copy_photos_and_documents() -> None:
    """Copies photographs and data-set descriptions out of the installed packages, unchanged."""
    photos, documents = DATA / "photos", DATA / "documents"
    photos.mkdir(parents=True)
    documents.mkdir(parents=True)
    for name in PHOTOS_OF_SKIMAGE:
        shutil.copyfile(package_folder("skimage") / "data" / name, photos / name)
    datasets = package_folder("sklearn") / "datasets"
    for name in ("china.jpg", "flower.jpg"):
        shutil.copyfile(datasets / "images" / name, photos / name)
    for path in sorted((datasets / "descr").glob("*.rst")):
        shutil.copyfile(path, documents / path.name)


def copy_speech(unpacked_package: Path) -> None:
    """Copies spoken numbers, letters and the phonetic alphabet (8 kHz mono WAV), unchanged."""
    sounds = unpacked_package / "usr/share/asterisk/sounds/en_US_f_Allison"
    for folder in SPEECH_FOLDERS:
        (DATA / "speech" / folder).mkdir(parents=True)
        for name in SPEECH_NAMES_OF[folder]:
            shutil.copyfile(sounds / folder / f"{name}.wav", DATA / "speech" / folder / f"{name}.wav")


def main() -> None:
    for name in ("digits", "photos", "documents", "speech"):
        shutil.rmtree(DATA / name, ignore_errors=True)
    export_digits()
    copy_photos_and_documents()
    copy_speech(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
