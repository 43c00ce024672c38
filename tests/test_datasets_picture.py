"""One picture: every mode that Pillow has is right or refused, orientation is the same for both readers, and whatever
goes wrong names the file."""

import io
import shutil
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, TiffImagePlugin

from musiclib.datasets import DatasetUnusable, load
from musiclib.datasets.crops import ATTEMPTS, two_crops
from musiclib.datasets.decode import damaged_images, decode_images
from musiclib.datasets.picture import PLAIN, open_image, upright
from musiclib.datasets.stream import ImageStream
from musiclib.pretrain.__main__ import main

WHOLE = np.full((2, 2 * ATTEMPTS + 2), 0.5)  # with scale and ratio 1: the whole of a square picture, twice


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSICLIB_CACHE", str(tmp_path / "cache"))


def encoded(image, form="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(values, bits, colour):
    """A PNG written by hand: `values` (h, w) or (h, w, c) of 8 or 16 bits, colour type 0 grey, 2 RGB, 4 grey+alpha, 6
    RGBA."""
    values = np.asarray(values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(f">u{bits // 8}").tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(values, bits, photometric=1, sample_format=1):
    """An uncompressed grey TIFF written by hand, little-endian, 12 bits packed two in three bytes."""
    values = np.asarray(values)
    if bits == 12:
        pairs = values.reshape(-1, 2).astype(np.uint32)
        three = np.stack([pairs[:, 0] >> 4, ((pairs[:, 0] & 15) << 4) | (pairs[:, 1] >> 8), pairs[:, 1] & 255], 1)
        content = three.astype(np.uint8).tobytes()
    else:
        content = values.astype(
            "<f4" if sample_format == 3 else f"<{'i' if sample_format == 2 else 'u'}{bits // 8}"
        ).tobytes()
    height, width = values.shape
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 0), (277, 1), (278, height)]
    tags += [(279, len(content)), (339, sample_format)]
    start = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, start if tag == 273 else value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + content


def ramp16():
    return np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)  # 0, 257, ...: the high bytes are 0, 1, 2, ... 255


STEPS = np.arange(256, dtype=np.uint8).reshape(16, 16)


def both(content, size, channels=3):
    """The same picture by the reader in memory and by the streamed one, which have to agree."""
    found = decode_images([content], size=size, channels=channels)[0].numpy()
    if channels == 3:
        for crop in two_crops(content, size, WHOLE, (1.0, 1.0), (1.0, 1.0)):
            assert np.array_equal(crop, found)
    return found


# -- modes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        png(ramp16(), 16, 0),
        b"P5\n16 16\n65535\n" + ramp16().astype(">u2").tobytes(),
        b"P2\n16 16\n65535\n" + " ".join(map(str, ramp16().flatten())).encode(),
        tiff(ramp16(), 16),
        tiff(65535 - ramp16(), 16, photometric=0),
        tiff(ramp16() >> 4, 12),
        encoded(Image.fromarray(ramp16().astype(">u2").view(">u2")), "TIFF"),
        encoded(Image.fromarray(ramp16()), "JPEG2000"),
    ],
    ids=["png", "pgm", "plain pgm", "tiff", "tiff, 0 is white", "tiff, 12 bits", "tiff by Pillow", "jpeg 2000"],
)
def test_grey_of_more_than_8_bits_keeps_its_high_byte(content):
    assert np.array_equal(both(content, 16), np.stack([STEPS] * 3))
    assert np.array_equal(both(content, 16, channels=1), STEPS[None])


def test_grey_of_1023_steps_is_stretched_by_its_maximum():
    content = b"P5\n16 16\n1023\n" + (np.arange(256).reshape(16, 16) * 4).astype(">u2").tobytes()
    assert np.abs(both(content, 16)[0].astype(int) - STEPS.astype(float) * 4 / 1023 * 255).max() <= 1


def test_colour_of_16_bits_keeps_its_high_byte():
    values = np.stack([ramp16(), ramp16()[::-1], ramp16().T], -1)
    expected = np.stack([STEPS, STEPS[::-1], STEPS.T])
    assert np.array_equal(both(png(values, 16, 2), 16), expected)
    with_alpha = np.concatenate([values, np.full((16, 16, 1), 9, np.uint16)], -1)
    assert np.array_equal(both(png(with_alpha, 16, 6), 16), expected)
    grey = np.stack([ramp16(), np.full((16, 16), 9, np.uint16)], -1)
    assert np.array_equal(both(png(grey, 16, 4), 16), np.stack([STEPS] * 3))


def test_a_medical_scan_of_two_classes_is_not_all_white(tmp_path):
    for name, value in (("dark", 2000), ("bright", 30000)):
        (tmp_path / "t" / name).mkdir(parents=True)
        for i in range(5):
            (tmp_path / "t" / name / f"{i}.png").write_bytes(png(np.full((8, 8), value), 16, 0))
    data = load(f"folder:{tmp_path / 't'}", size=8)
    assert data.images[data.labels == data.classes.index("dark")].unique().tolist() == [2000 >> 8]
    assert data.images[data.labels == data.classes.index("bright")].unique().tolist() == [30000 >> 8]


RED, GREEN = (200, 10, 30), (20, 180, 60)


def colours(mode):
    """A 2 x 2 picture: red, green / green, red, in a mode that can say so."""
    image = Image.new("RGB", (2, 2))
    image.putdata([RED, GREEN, GREEN, RED])
    return image.convert(mode, palette=Image.Palette.ADAPTIVE)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_alpha_is_dropped_and_palettes_are_looked_up(mode):
    image = colours(mode)
    if mode == "RGBA":
        image.putalpha(7)
    expected = np.asarray(colours("RGB")).transpose(2, 0, 1)
    assert np.array_equal(both(encoded(image), 2), expected)
    luma = np.round(np.tensordot((0.299, 0.587, 0.114), expected.astype(float), 1))
    assert np.abs(both(encoded(image), 2, channels=1)[0] - luma).max() <= 1


def test_transparent_palettes_keep_their_colours_without_a_warning(recwarn):
    image = colours("P")
    for transparency in (0, b"\0\x80\xff"):
        content = encoded(image, transparency=transparency)
        assert np.array_equal(both(content, 2), np.asarray(colours("RGB")).transpose(2, 0, 1))
    assert not recwarn.list


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_becomes_three_equal_channels(mode):
    image = Image.new("L", (2, 2))
    image.putdata([0, 255, 255, 0])
    found = both(encoded(image.convert(mode)), 2)
    assert found.tolist() == [[[0, 255], [255, 0]]] * 3
    assert both(encoded(image.convert(mode)), 2, channels=1).tolist() == [[[0, 255], [255, 0]]]


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_is_subtracted_from_white(form):
    image = Image.new("CMYK", (8, 8), (255, 0, 100, 40))
    found = both(encoded(image, form, **({"quality": 100, "subsampling": 0} if form == "JPEG" else {})), 8)
    # white minus the ink of each colour, all of it dimmed by black
    expected = [round((255 - ink) * (255 - 40) / 255) for ink in (255, 0, 100)]
    assert np.abs(found[:, 4, 4].astype(int) - expected).max() <= 2


def test_premultiplied_alpha_is_undone():
    """No format that is read here yields these modes today; the rule is there for the day that one does."""
    for mode, shades in (("RGBA", (200, 100, 50, 128)), ("LA", (200, 128))):
        image = Image.new(mode, (4, 4), shades).convert(mode[:-1] + "a")
        found = np.asarray(upright(image))[0, 0].astype(int)
        assert np.abs(found - (shades[:-1] * 3)[:3]).max() <= 2


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (tiff(np.zeros((4, 4)), 32, sample_format=3), "F"),
        (tiff(np.arange(16).reshape(4, 4), 32), "I"),
        (tiff(np.arange(16).reshape(4, 4), 16, sample_format=2), "I"),
        (encoded(Image.new("LAB", (4, 4)), "TIFF"), "LAB"),
        (b"Pf\n4 4\n-1.0\n" + bytes(64), "F"),
    ],
    ids=["float tiff", "32-bit tiff", "signed 16-bit tiff", "lab", "pfm"],
)
def test_modes_without_a_fixed_range_are_refused_by_name(tmp_path, content, mode):
    path = tmp_path / "scan.tif"
    path.write_bytes(content)
    words = rf"scan\.tif cannot be decoded as an image: mode {mode} has no fixed range"
    with pytest.raises(DatasetUnusable, match=words):
        decode_images([path], size=4)
    with pytest.raises(DatasetUnusable, match=words):
        two_crops(path, 4, WHOLE, (1.0, 1.0), (1.0, 1.0))


def test_every_mode_that_pillow_has_is_decided():
    """A mode of a later Pillow has to be put into one of the groups."""
    assert set(Image.MODES) <= {*PLAIN, "I", "F", "LAB", "I;16", "I;16L", "I;16B", "I;16N"}


# -- orientation ------------------------------------------------------------------------------------------------------


def arrow():
    """A 48 x 32 picture in which no turn and no mirror image looks like another."""
    x, y = np.meshgrid(np.linspace(0, 255, 48), np.linspace(0, 255, 32))
    return np.stack((x, y, 255 - x), -1).round().astype(np.uint8)


# EXIF says where the first row and column of the stored pixels are shown; numpy's way from stored to shown.
SHOWN = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_both_readers_turn_a_picture_as_exif_says(form, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(form, {})
    content = encoded(Image.fromarray(arrow()), form, exif=exif, **options)
    expected = SHOWN[orientation](arrow())
    found = np.asarray(open_image(content))
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 6  # what JPEG loses
    # the streamed reader: a crop in the middle of the upright picture, a square of 8 x 8 pixels
    width, height = expected.shape[1], expected.shape[0]
    share = 64 / (width * height)
    crop = two_crops(content, 8, WHOLE, (share, share), (1.0, 1.0))[0]
    top, left = (height - 8) // 2, (width - 8) // 2
    middle = expected[top : top + 8, left : left + 8].transpose(2, 0, 1)
    assert np.abs(crop.astype(int) - middle).max() <= 6


def ifd(entries):
    """An EXIF block of (tag, type, count, value bytes), little-endian."""
    start, out, extra = 8 + 2 + 12 * len(entries) + 4, struct.pack("<H", len(entries)), b""
    for tag, kind, count, value in entries:
        if len(value) > 4:
            value, extra = struct.pack("<I", start + len(extra)), extra + value
        out += struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + out + struct.pack("<I", 0) + extra


SIX = (0x112, 3, 1, b"\6\0")
DAMAGED = {
    "0": ifd([(0x112, 3, 1, b"\0\0")]),
    "99": ifd([(0x112, 3, 1, b"\x63\0")]),
    "-1": ifd([(0x112, 9, 1, b"\xff" * 4)]),
    "text": ifd([(0x112, 2, 2, b"6\0")]),
    "undefined": ifd([(0x112, 7, 4, b"\6\0\0\0")]),
    "fraction": ifd([(0x112, 5, 1, struct.pack("<II", 6, 1))]),
    "0 / 0": ifd([(0x112, 5, 1, bytes(8))]),
    "empty": ifd([(0x112, 3, 0, b"")]),
    "cut": b"Exif\0\0II*\0\x08\0",
    "no tiff": b"Exif\0\0hello world",
    "nothing": b"Exif\0\0",
}
HARMLESS = {
    "two values": ifd([(0x112, 3, 2, b"\6\0\6\0")]),
    "resolution is text": ifd([SIX, (0x11A, 2, 5, b"72/1\0"), (0x131, 7, 3, b"abc")]),
    "resolution is 1 / 0": ifd([SIX, (0x11A, 5, 1, struct.pack("<II", 1, 0))]),
    "broken gps": ifd([SIX, (0x8825, 4, 1, struct.pack("<I", 60000))]),
    "broken sub-block": ifd([SIX, (0x8769, 3, 1, b"\5\0")]),
    "comment is a number": ifd([SIX, (0x9286, 3, 1, b"\5\0")]),
}


def with_exif(block):
    content = encoded(Image.fromarray(arrow()), "JPEG", quality=100, subsampling=0)
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + content[2:]


@pytest.mark.parametrize("name", [*DAMAGED, *HARMLESS])
def test_damaged_exif_is_ignored_by_both_readers_alike(name):
    expected = SHOWN[6 if name in HARMLESS else 1](arrow())
    content = with_exif({**DAMAGED, **HARMLESS}[name])
    assert np.abs(np.asarray(open_image(content)).astype(int) - expected).max() <= 6
    height, width = expected.shape[:2]
    share = min(width, height) ** 2 / (width * height)
    side = min(width, height)
    crop = two_crops(content, side, WHOLE, (share, share), (1.0, 1.0))[0]
    top, left = (height - side) // 2, (width - side) // 2
    square = expected[top : top + side, left : left + side].transpose(2, 0, 1)
    assert np.abs(crop.astype(int) - square).max() <= 6


@pytest.mark.parametrize(("value", "meant"), [(99, 1), ("6", 1), ((6, 6), 6), (6, 6)])
def test_a_tiff_is_turned_once_and_not_by_a_damaged_orientation(value, meant):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[0x112] = value
    if isinstance(value, str):
        tags.tagtype[0x112] = 2
    content = encoded(Image.fromarray(arrow()), "TIFF", tiffinfo=tags)
    assert np.array_equal(np.asarray(open_image(content)), SHOWN[meant](arrow()))


# -- whatever goes wrong names the file -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raised", [TypeError("'>' of str and int"), MemoryError(), RecursionError("deep"), KeyError(3)]
)
def test_any_exception_while_decoding_names_the_file_in_one_line(tmp_path, monkeypatch, raised):
    (tmp_path / "t" / "a").mkdir(parents=True)
    path = tmp_path / "t" / "a" / "odd.png"
    path.write_bytes(encoded(Image.fromarray(arrow())))

    def fail(*_):
        raise raised

    monkeypatch.setattr(Image.Image, "convert", fail)
    stream = ImageStream(tmp_path / "t", size=4, batch=1, workers=0)
    for read in (lambda: decode_images([path], size=4), lambda: next(stream.batches(0)), lambda: next(stream.plain())):
        with pytest.raises(DatasetUnusable, match=r"odd\.png cannot be decoded as an image: \S") as found:
            read()
        assert "\n" not in str(found.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_in_a_streaming_process_is_one_line(tmp_path, workers):
    (tmp_path / "t" / "a").mkdir(parents=True)
    for i in range(4):
        (tmp_path / "t" / "a" / f"{i}.jpg").write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(DatasetUnusable) as found:
        list(ImageStream(tmp_path / "t", size=4, batch=2, workers=workers).batches(0))
    assert "\n" not in str(found.value)
    assert ".jpg cannot be decoded" in str(found.value)


@pytest.mark.parametrize("content", [b"", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n", bytes(range(256)) * 9])
def test_what_is_no_picture_is_not_taken_for_one(content):
    """Formats without a signature would take any bytes for pixels, and PostScript would be run."""
    with pytest.raises(DatasetUnusable, match=r"cannot be decoded as an image: it has none of the formats JPEG"):
        open_image(content)


def test_a_flipped_bit_in_a_png_is_seen():
    content = bytearray(encoded(Image.fromarray(arrow())))
    start = content.index(b"IDAT") + 4
    for place in range(start, len(content) - 12, 7):
        damaged = bytes(content[:place]) + bytes([content[place] ^ 1]) + bytes(content[place + 1 :])
        with pytest.raises(DatasetUnusable):
            open_image(damaged)


def rewritten(content, change):
    """A PNG whose unpacked pixels went through `change`, with right check sums."""
    out, packed, at = content[:8], b"", 8
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        packed += data if kind == b"IDAT" else b""
        if kind == b"IEND":
            out += chunk(b"IDAT", zlib.compress(change(zlib.decompress(packed))))
        out += chunk(kind, data) if kind != b"IDAT" else b""
        at += 12 + length
    return out


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_png_without_its_last_pixels_is_refused_and_not_filled_with_black(mode):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 13, 3), dtype=np.uint8))
    image = Image.fromarray(np.arange(65, dtype=np.uint16).reshape(5, 13)) if mode == "I;16" else image.convert(mode)
    content = encoded(image)
    whole = open_image(content)
    assert open_image(rewritten(content, lambda pixels: pixels)).tobytes() == whole.tobytes()
    assert open_image(rewritten(content, lambda pixels: pixels + b"more")).tobytes() == whole.tobytes()
    for lost in (1, 10):
        with pytest.raises(DatasetUnusable, match=r"it holds \d+ bytes of pixels, its header announces \d+"):
            open_image(rewritten(content, lambda pixels, lost=lost: pixels[:-lost]))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (8, 8), (13, 5), (5, 17)])
def test_interlaced_pngs_are_read_whole(size):
    """Adam7: the pixels of every eighth row and column first, then those between them."""
    width, height = size
    values = np.random.default_rng(1).integers(0, 256, (height, width), dtype=np.uint8)
    first = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
    parts = [values[top::down, left::across] for top, down, left, across in first]
    rows = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    for pixels, whole in ((rows, True), (rows[:-1], False)):
        ends = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")
        content = b"\x89PNG\r\n\x1a\n" + b"".join(ends)
        if whole:
            assert np.array_equal(np.asarray(open_image(content, "L")), values)
        else:
            with pytest.raises(DatasetUnusable, match="bytes of pixels"):
                open_image(content)


def test_an_archived_picture_is_called_by_its_name():
    with pytest.raises(DatasetUnusable, match=r"^set\.tar: a/b\.png cannot be decoded"):
        decode_images([("set.tar: a/b.png", b"x")], size=4)
    with pytest.raises(DatasetUnusable, match=r"^an encoded image of 1 bytes cannot be decoded"):
        decode_images([b"x"], size=4)


# -- damaged files left out -------------------------------------------------------------------------------------------


@pytest.fixture
def damaged_tree(tmp_path):
    for number, name in enumerate(("ant", "bee")):
        (tmp_path / "t" / "train" / name).mkdir(parents=True)
        for i in range(5):
            image = Image.new("RGB", (12, 12), (50 * i, 100 * number, 0))
            image.save(tmp_path / "t" / "train" / name / f"{i}.jpg", quality=100)
    bad = tmp_path / "t" / "train" / "bee" / "2.jpg"
    bad.write_bytes(bad.read_bytes()[:-40])
    return tmp_path / "t"


def test_damaged_files_can_be_skipped_and_are_listed(damaged_tree):
    with pytest.raises(DatasetUnusable, match=r"bee/2\.jpg cannot be decoded"):
        load(f"folder:{damaged_tree}", size=12)
    for _ in range(2):  # the second time from the cache, with the same words
        with pytest.warns(UserWarning, match=r"1 damaged file\(s\) left out: .*bee/2\.jpg cannot be decoded"):
            data = load(f"folder:{damaged_tree}", size=12, damaged="skip")
        assert data.labels.tolist() == [0] * 5 + [1] * 4
        assert [round(int(v) / 50) for v in data.images[:, 0, 6, 6]] == [0, 1, 2, 3, 4, 0, 1, 3, 4]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_can_skip_damaged_files(damaged_tree, workers):
    with pytest.raises(DatasetUnusable, match=r"bee/2\.jpg cannot be decoded"):
        list(ImageStream(damaged_tree, size=4, batch=2, workers=workers).plain())
    with pytest.warns(UserWarning, match=r"1 damaged file\(s\) left out: .*bee/2\.jpg"):
        stream = ImageStream(damaged_tree, size=4, batch=2, workers=workers, damaged="skip")
    assert len(stream) == 9
    assert "2.jpg" not in {path.name for path, label in zip(stream.files, stream.labels, strict=True) if label == 1}
    labels = torch.cat([labels for *_, labels in stream.plain()])
    assert labels.tolist() == [0] * 5 + [1] * 4


@pytest.mark.parametrize("reader", ["folder", "imagenet"])
def test_damaged_files_are_skipped_from_the_command_line(damaged_tree, tmp_path, capsys, reader):
    shutil.copytree(damaged_tree / "train", damaged_tree / "test")
    words = ["--method", "music", "--encoder", "tiny", "--epochs", "1", "--batch", "3", "--dataset"]
    words += [f"{reader}:{damaged_tree}", "--device", "cpu", "--no-progress", "--out", str(tmp_path / "out")]
    words += ["--set", "options.projector=[8]", "--set", "options.segments=2", "--set", "options.units=2"]
    words += ["--set", f"dataset_options.{'size=12' if reader == 'folder' else 'workers=0'}", "--set", "views.size=12"]
    assert main(words) == 3
    assert capsys.readouterr().err.count("bee/2.jpg cannot be decoded") == 1
    with pytest.warns(UserWarning, match=r"1 damaged file\(s\) left out: .*bee/2\.jpg"):
        assert main([*words, "--set", "dataset_options.damaged=skip"]) == 0
    assert "linear/test/top1" in capsys.readouterr().out


def test_damaged_files_are_found_by_several_processes(damaged_tree):
    files = sorted(damaged_tree.rglob("*.jpg")) * 120
    found = damaged_images(files, workers=2)
    assert {files[i].name for i in found} == {"2.jpg"}
    assert len(found) == 120
    assert found == damaged_images(files, workers=1)


def test_want_of_memory_is_no_damage(damaged_tree, monkeypatch):
    def hungry(*arguments, **more):
        raise MemoryError

    files = sorted(damaged_tree.rglob("*.jpg"))
    monkeypatch.setattr(Image.Image, "convert", hungry)
    monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.load", hungry)
    for workers, tries in ((1, files), (2, files * 120)):
        with pytest.raises(DatasetUnusable, match=r"ant/0\.jpg cannot be decoded as an image: MemoryError"):
            damaged_images(tries, workers=workers)


def test_a_class_that_loses_every_picture_is_an_error(damaged_tree):
    for path in (damaged_tree / "train" / "ant").iterdir():
        path.write_bytes(b"x")
    with (
        pytest.raises(DatasetUnusable, match=r"every image of the class ant is damaged: .*ant/0\.jpg"),
        pytest.warns(UserWarning, match="6 damaged"),
    ):
        load(f"folder:{damaged_tree}", size=4, damaged="skip")


def test_mended_files_come_back(damaged_tree):
    with pytest.warns(UserWarning, match="damaged"):
        assert len(load(f"folder:{damaged_tree}", size=4, damaged="skip")) == 9
    Image.new("RGB", (12, 12)).save(damaged_tree / "train" / "bee" / "2.jpg")
    assert len(load(f"folder:{damaged_tree}", size=4, damaged="skip")) == 10


def test_the_choice_about_damaged_files_is_checked(damaged_tree):
    for make in (
        lambda: load(f"folder:{damaged_tree}", damaged="ignore"),
        lambda: ImageStream(damaged_tree, damaged="x"),
    ):
        with pytest.raises(ValueError, match="damaged must be 'refuse' or 'skip'"):
            make()
