"""Reading pictures: right for every mode, and nothing but RGB or BadInput for anything else."""

from __future__ import annotations

import errno
import io
import os
import pickle
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageChops, ImageCms

from omma.data import images
from omma.data.images import BytesImage, CroppedImage, FileImage, MemoryImage, TarImage, to_rgb
from omma.data.sample import ImageSource
from omma.errors import BadInput


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def loaded(data: bytes) -> Image.Image:
    """The picture, after checking what every source promises."""
    source = BytesImage(data, "test picture")
    picture = source.load()
    assert picture.mode == "RGB" and picture.size == source.size and not picture.info
    return picture


def grey(levels: np.ndarray) -> np.ndarray:
    """The one channel of what should be a grey picture."""
    pixels = np.asarray(to_rgb(Image.fromarray(levels)))
    assert (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all()
    return pixels[..., 0]


@pytest.fixture
def photo() -> Image.Image:
    rows, columns = np.mgrid[0:24, 0:40]
    return Image.fromarray(np.stack([columns * 6, rows * 10, (rows + columns) * 4], axis=-1).astype(np.uint8))


pixels = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9).map(lambda s: (*s, 3)))


@given(pixels, st.sampled_from(["PNG", "BMP", "TIFF", "PPM", "WEBP"]))
@settings(max_examples=60, deadline=None)
def test_lossless_formats_keep_every_pixel(array: np.ndarray, form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    assert np.array_equal(np.asarray(loaded(encoded(Image.fromarray(array), form, **options))), array)


def test_jpeg_is_close(photo: Image.Image) -> None:
    difference = np.abs(np.asarray(loaded(encoded(photo, "JPEG", quality=95))).astype(int) - np.asarray(photo))
    assert difference.mean() < 3


@given(arrays(np.uint8, (5, 7)))
def test_grey_and_bilevel(array: np.ndarray) -> None:
    assert np.array_equal(np.asarray(loaded(encoded(Image.fromarray(array), "PNG")))[..., 0], array)
    bits = Image.fromarray(array).point(lambda v: 255 * (v > 99)).convert("1")
    for form in ("PNG", "TIFF", "PPM", "BMP"):
        assert np.array_equal(np.asarray(loaded(encoded(bits, form)))[..., 2], 255 * (array > 99))


@given(arrays(np.uint8, (4, 6, 4)))
def test_transparency_is_composited_on_white(array: np.ndarray) -> None:
    alpha = array[..., 3:].astype(float) / 255
    expected = array[..., :3] * alpha + 255 * (1 - alpha)
    found = np.asarray(loaded(encoded(Image.fromarray(array), "PNG"))).astype(float)
    assert np.abs(found - expected).max() <= 1
    layered = Image.fromarray(np.ascontiguousarray(array[..., [0, 3]]), "LA")
    assert np.abs(np.asarray(loaded(encoded(layered, "PNG")))[..., 0] - expected[..., 0]).max() <= 1


def test_palette_with_and_without_transparency() -> None:
    picture = Image.new("P", (3, 1))
    picture.putpalette([10, 20, 30, 200, 100, 50, 7, 7, 7])
    picture.putdata([0, 1, 2])
    assert loaded(encoded(picture, "PNG")).getpixel((1, 0)) == (200, 100, 50)
    for form in ("PNG", "GIF"):
        shown = loaded(encoded(picture, form, transparency=1))
        assert [shown.getpixel((x, 0)) for x in range(3)] == [(10, 20, 30), (255, 255, 255), (7, 7, 7)]
    half = loaded(encoded(picture, "PNG", transparency=bytes([255, 0, 128])))
    assert half.getpixel((1, 0)) == (255, 255, 255)
    assert half.getpixel((2, 0)) == pytest.approx((131, 131, 131), abs=1)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_transparent_colour_becomes_white(mode: str) -> None:
    colour = 9 if mode == "L" else (9, 9, 9)
    picture = Image.new(mode, (2, 1), colour)
    picture.putpixel((1, 0), 100 if mode == "L" else (100, 100, 100))
    shown = loaded(encoded(picture, "PNG", transparency=colour))
    assert shown.getpixel((0, 0)) == (255, 255, 255) and shown.getpixel((1, 0)) == (100, 100, 100)


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    levels = np.array([[0, 128, 129, 257, 32896, 65406, 65407, 65535]], np.uint16)
    expected = np.round(levels / 257).astype(np.uint8)
    for form in ("PNG", "TIFF"):
        assert np.array_equal(np.asarray(loaded(encoded(Image.fromarray(levels), form)))[..., 0], expected)
    big_endian = struct.pack(">8H", *levels[0].tolist())
    assert np.array_equal(np.asarray(loaded(b"P5 8 1 65535\n" + big_endian))[..., 0], expected)


def test_sixteen_bit_grey_with_a_transparent_level() -> None:
    data = encoded(Image.fromarray(np.array([[1000, 65535, 0]], np.uint16)), "PNG")
    body = b"tRNS" + struct.pack(">H", 1000)
    chunk = struct.pack(">I", 2) + body + struct.pack(">I", zlib.crc32(body))
    at = data.index(b"IDAT") - 4
    assert np.asarray(loaded(data[:at] + chunk + data[at:]))[0, :, 0].tolist() == [255, 255, 0]


def test_floats_and_long_integers_are_scaled() -> None:
    assert grey(np.array([[0, 0.5, 0.25]], np.float32)).tolist() == [[0, 128, 64]]
    assert grey(np.array([[-10, 0, 10]], np.float32)).tolist() == [[0, 128, 255]]
    assert grey(np.array([[np.nan, np.inf, -np.inf, 2, 6]], np.float32)).tolist() == [[0, 255, 0, 0, 255]]
    assert grey(np.array([[np.nan]], np.float32)).tolist() == [[0]]
    assert grey(np.array([[-3e38, 0, 3e38]], np.float32)).tolist() == [[0, 128, 255]]
    assert grey(np.array([[7, 7]], np.float32)).tolist() == [[0, 0]]
    assert grey(np.array([[0, 257, 65535]], np.int32)).tolist() == [[0, 1, 255]]
    assert grey(np.array([[-100, 0, 100]], np.int32)).tolist() == [[0, 128, 255]]
    tiff = loaded(encoded(Image.fromarray(np.array([[0, 1.0]], np.float32)), "TIFF"))
    assert np.asarray(tiff)[0, :, 1].tolist() == [0, 255]


def without_adobe_marker(data: bytes) -> bytes:
    at = data.index(b"\xff\xee")
    return data[:at] + data[at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0] :]


def test_cmyk_with_and_without_adobe_inversion() -> None:
    ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # full magenta and yellow are red
    for form in ("JPEG", "TIFF"):
        assert loaded(encoded(ink, form)).getpixel((8, 8)) == pytest.approx((255, 0, 0), abs=4)
    # A writer that is not Adobe's stores the inks as they are and leaves the marker out.
    plain = without_adobe_marker(encoded(ImageChops.invert(ink), "JPEG"))
    assert loaded(plain).getpixel((8, 8)) == pytest.approx((255, 0, 0), abs=4)


def test_lab_tiff_is_a_colour_picture() -> None:
    red = Image.new("RGB", (4, 4), (200, 30, 40))
    lab = ImageCms.profileToProfile(
        red, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert loaded(encoded(lab, "TIFF")).getpixel((1, 1)) == pytest.approx((200, 30, 40), abs=6)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_exif_orientation(photo: Image.Image, form: str, orientation: int) -> None:
    # Independent of Pillow's transpositions: where (EXIF 2.32) the stored first row and first column belong.
    array = np.asarray(photo)
    stored = {
        1: array,
        2: array[:, ::-1],
        3: array[::-1, ::-1],
        4: array[::-1],
        5: array.transpose(1, 0, 2),
        6: np.rot90(array),
        7: array[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(array, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {"quality": 100} if form == "JPEG" else {}
    shown = loaded(encoded(Image.fromarray(np.ascontiguousarray(stored)), form, exif=exif, **options))
    assert shown.size == photo.size
    assert np.abs(np.asarray(shown).astype(int) - array).mean() < (4 if form == "JPEG" else 0.01)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_of_several(form: str) -> None:
    frames = [Image.new("RGB", (12, 8), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    assert loaded(data).getpixel((5, 5)) == pytest.approx((255, 0, 0), abs=3)


def test_size_decodes_nothing(photo: Image.Image) -> None:
    data = encoded(photo, "PNG")
    beheaded = data[: data.index(b"IDAT") + 4]
    assert BytesImage(beheaded, "no pixels").size == photo.size


def test_sources_keys_and_pickling(tmp_path: Path, photo: Image.Image) -> None:
    data = encoded(photo, "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    archive = tmp_path / "all.tar"
    archive.write_bytes(b"#" * 100 + data + b"#" * 50)
    sources = [
        FileImage(path),
        TarImage(archive, 100, len(data), "photo.png"),
        BytesImage(data, "photo.png"),
        MemoryImage(photo, "photo"),
        CroppedImage(FileImage(path), (0, 0, 40, 24)),
    ]
    assert len({source.key for source in sources}) == len(sources)
    for source in sources:
        copy = pickle.loads(pickle.dumps(source))
        assert isinstance(copy, ImageSource) and copy == source and copy.key == source.key
        assert copy.size == photo.size and np.array_equal(np.asarray(copy.load()), np.asarray(photo))


def test_keys_follow_the_content(tmp_path: Path, photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(photo, "PNG"))
    monkeypatch.chdir(tmp_path)
    relative = FileImage("photo.png")
    monkeypatch.chdir("/")
    before = relative.key
    assert before == FileImage(path).key and relative.load().size == photo.size
    os.utime(path, ns=(1, 1))
    assert relative.key != before
    assert BytesImage(b"a", "x").key == BytesImage(b"a", "y").key != BytesImage(b"b", "x").key


def test_crop(photo: Image.Image) -> None:
    whole = MemoryImage(photo, "photo")
    part = CroppedImage(whole, (3, 4, 13, 9))
    assert part.size == (10, 5) and np.array_equal(np.asarray(part.load()), np.asarray(photo)[4:9, 3:13])
    with pytest.raises(BadInput, match=r"40 x 24"):
        CroppedImage(whole, (0, 0, 41, 5)).load()
    for box in ((5, 0, 5, 9), (-1, 0, 5, 5), (0, 9, 5, 5)):
        with pytest.raises(ValueError, match="crop box"):
            CroppedImage(whole, box)


def test_memory_picture_is_never_shared(photo: Image.Image) -> None:
    source = MemoryImage(photo, "photo")
    source.load().putpixel((0, 0), (1, 2, 3))
    assert source.load().getpixel((0, 0)) != (1, 2, 3)


def test_threads(tmp_path: Path, photo: Image.Image) -> None:
    data = encoded(photo, "PNG")
    archive = tmp_path / "all.tar"
    archive.write_bytes(b"".join(data for _ in range(8)))
    members = [TarImage(archive, n * len(data), len(data), str(n)) for n in range(8)] * 5
    with ThreadPoolExecutor(8) as pool:
        for picture in pool.map(TarImage.load, members):
            assert np.array_equal(np.asarray(picture), np.asarray(photo))


def refusal(source: ImageSource) -> str:
    """The complaint, which is one sentence and the same for size and load."""
    with pytest.raises(BadInput) as of_load:
        source.load()
    with pytest.raises(BadInput) as of_size:
        _ = source.size
    assert str(of_load.value) == str(of_size.value)
    assert str(of_load.value).endswith(".") and "\n" not in str(of_load.value)
    return str(of_load.value)


def test_refused_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tmp_path / "missing.png"
    assert str(missing) in refusal(FileImage(missing)) and "no such file" in refusal(FileImage(missing))
    with pytest.raises(BadInput, match="no such file"):
        _ = FileImage(missing).key
    assert "a directory" in refusal(FileImage(tmp_path))
    empty = tmp_path / "empty.png"
    empty.touch()
    assert "empty file" in refusal(FileImage(empty))
    os.mkfifo(tmp_path / "pipe")
    assert "pipe" in refusal(FileImage(tmp_path / "pipe"))
    assert "system" in refusal(FileImage(tmp_path / ("x" * 300)))
    assert "system" in refusal(FileImage("nul\0l"))
    assert "no such file" in refusal(TarImage(tmp_path / "missing.tar", 0, 10, "member"))

    def denied(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)
    assert "permission" in refusal(FileImage(empty))
    assert "permission" in refusal(TarImage(empty, 0, 10, "member"))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "empty file"),
        (b"%PDF-1.7 ...", "PDF"),
        (b" <!DOCTYPE html><html>", "web page"),
        (b"<svg xmlns=''>", "SVG"),
        (b"\0\0\0\x1cftypavif....", "avif"),
        (b"hello world", "hello"),
        (b"\x89PNG\r\n\x1a\n", "header"),
        (b"\xff\xd8\xff\xe0", "header"),
        (b"P6 nonsense", "header"),
        (b"\0\0\1\0\1\0", "begins with"),  # an icon: a picture, but of no format on the list
    ],
)
def test_refused_data(data: bytes, found: str) -> None:
    message = refusal(BytesImage(data, "upload 7"))
    assert "upload 7" in message and found in message


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_truncated(photo: Image.Image, form: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    data = encoded(noise, form)
    with pytest.raises(BadInput, match=r"cut\.png"):
        BytesImage(data[: len(data) * 2 // 3], "cut.png").load()


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + b"\0\0\0\0IDAT"


def test_absurd_dimensions_are_refused_from_the_header_without_a_warning() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for width, height in ((9_487, 9_487), (12_000, 12_000), (100_000, 100_000), (30_001, 1), (1, 30_001)):
            message = refusal(BytesImage(png_header(width, height), "bomb.png"))
            assert f"{width:,} x {height:,}" in message and "64,000,000" in message
            refusal(BytesImage(f"P6 {width} {height} 255\n".encode(), "bomb.ppm"))
    assert not caught
    assert BytesImage(png_header(8_000, 8_000), "large.png").size == (8_000, 8_000)
    assert BytesImage(png_header(30_000, 1), "long.png").size == (30_000, 1)


def test_damaged_metadata_neither_spoils_the_picture_nor_the_terminal(tmp_path: Path, photo: Image.Image) -> None:
    # One IFD entry of 99 numbers that lie behind the end of the EXIF data.
    exif = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0102, 3, 99, 5000) + b"\0\0\0\0"
    data = encoded(photo, "JPEG", exif=b"Exif\0\0" + exif)
    (tmp_path / "odd.jpg").write_bytes(data)
    code = "import sys; from omma.data.images import FileImage; print(FileImage(sys.argv[1]).load().size)"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", code, str(tmp_path / "odd.jpg")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(photo.size) and not done.stderr


def seeds() -> list[bytes]:
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (9, 11, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    tall = {"exif": exif}
    return [
        encoded(picture, "PNG", **tall),
        encoded(picture.quantize(16), "PNG", transparency=3),
        encoded(Image.fromarray(np.arange(99, dtype=np.uint16).reshape(9, 11)), "PNG"),
        encoded(picture, "JPEG", **tall),
        encoded(picture.convert("CMYK"), "JPEG", progressive=True),
        encoded(picture, "WEBP", **tall),
        encoded(picture, "GIF"),
        encoded(picture, "BMP"),
        encoded(picture, "TIFF", compression="tiff_lzw"),
        encoded(picture.convert("F"), "TIFF"),
        encoded(picture, "PPM"),
    ]


SEEDS = seeds()


@given(st.sampled_from(SEEDS), st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL.TiffImagePlugin")
def test_damaged_bytes_give_a_picture_or_bad_input(seed: bytes, data: st.DataObject) -> None:
    damaged = bytearray(seed[: data.draw(st.integers(0, len(seed)))] if data.draw(st.booleans()) else seed)
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(seed) - 1), st.integers(0, 255)), max_size=6)):
        if at < len(damaged):
            damaged[at] = value
    source = BytesImage(bytes(damaged), "damaged")
    try:
        picture = source.load()
    except BadInput as refused:
        assert "damaged" in str(refused)
    else:
        assert picture.mode == "RGB" and picture.size == source.size


def test_only_the_listed_formats(photo: Image.Image) -> None:
    readers = {images._reader(encoded(photo, form)[:32]).format for form in images.FORMATS}
    assert readers == set(images.FORMATS)
    for form in ("ICO", "TGA", "PCX", "JPEG2000", "SGI"):
        assert "expected a picture" in refusal(BytesImage(encoded(photo, form), "other"))
