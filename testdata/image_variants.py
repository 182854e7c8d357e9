"""Writes the images of converters/testdata/images: the same 16 x 12 picture in the variants of formats that cameras,
scanners and drawing programs write. python image_variants.py DIR (needs Pillow with AVIF and libtiff, numpy, opencv)."""
import os
import struct
import sys

import cv2
import numpy as np
from PIL import Image

OUT, W, H = sys.argv[1], 16, 12
PIXELS = np.random.default_rng(0).integers(0, 255, (H, W, 3), dtype=np.uint8)
PIXELS[: H // 2, : W // 2] = [255, 0, 0]
PICTURE = Image.fromarray(PIXELS)
GRAY16 = PIXELS[..., 0].astype(np.uint16) * 257


def raw(name, content):
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(content)


def save(name, image=PICTURE, **options):
    image.save(os.path.join(OUT, name), **options)


def tiffs():
    for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma"):
        save(f"{name}.tif", compression=name)
    for mode in ("CMYK", "F", "I", "LAB", "YCbCr", "P", "1", "RGBA", "LA", "L"):
        save(f"mode_{mode}.tif", PICTURE.convert(mode))
    save("cmyk_lzw.tif", PICTURE.convert("CMYK"), compression="tiff_lzw")
    save("fax.tif", PICTURE.convert("1"), compression="group4")
    save("gray16.tif", Image.fromarray(GRAY16))
    save("big.tif", big_tiff=True)
    save("big_lzw.tif", big_tiff=True, compression="tiff_lzw")
    save("pages.tif", save_all=True, append_images=[PICTURE])
    cv2.imwrite(os.path.join(OUT, "float_colors.tif"), PIXELS.astype(np.float32) / 255)
    cv2.imwrite(os.path.join(OUT, "double_colors.tif"), PIXELS.astype(np.float64) / 255)
    gray = PIXELS[..., 0].tobytes()
    for mark, order in (("II", "<"), ("MM", ">")):
        def tags(at, kind):
            return [(256, 3, W), (257, 3, H), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, kind, at), (277, 3, 1), (278, 3, H), (279, kind, len(gray))]
        body = b"".join(struct.pack(order + "HHI", t, k, 1) + (struct.pack(order + "H2x", v) if k == 3 else struct.pack(order + "I", v)) for t, k, v in tags(122, 4))
        raw(f"hand_{mark}.tif", mark.encode() + struct.pack(order + "HIH", 42, 8, 9) + body + b"\0" * 4 + gray)
        body = b"".join(struct.pack(order + "HHQ", t, k, 1) + (struct.pack(order + "H6x", v) if k == 3 else struct.pack(order + "Q", v)) for t, k, v in tags(212, 16))
        raw(f"hand_big_{mark}.tif", mark.encode() + struct.pack(order + "HHHQQ", 43, 8, 0, 16, 9) + body + b"\0" * 8 + gray)


def bitmaps():
    up = PIXELS[::-1, :, ::-1]
    def info(bits, compression, n, colors=0, size=40, tail=b"", height=H):
        return struct.pack("<IiiHHIIiiII", size, W, height, 1, bits, compression, n, 2835, 2835, colors, 0) + tail

    def bmp(name, header, palette, pixels, said=None):
        at = 14 + len(header) + len(palette)
        raw(name, b"BM" + struct.pack("<IHHI", at + len(pixels) if said is None else said, 0, 0, at) + header + palette + pixels)

    rgb, index = up.tobytes(), PIXELS[::-1, :, 0]
    palette = b"".join(bytes([i, 9, 9, 0]) for i in range(256))
    bmp("os2.bmp", struct.pack("<IHHHH", 12, W, H, 1, 24), b"", rgb)
    bmp("os2_palette.bmp", struct.pack("<IHHHH", 12, W, H, 1, 8), b"".join(bytes([i, 9, 9]) for i in range(256)), index.tobytes())
    bmp("os2_v2.bmp", info(24, 0, len(rgb), size=64, tail=b"\0" * 24), b"", rgb)
    bmp("os2_short.bmp", struct.pack("<IIIHH", 16, W, H, 1, 24), b"", rgb)
    v = PIXELS[::-1].astype(np.uint16)
    p565 = ((v[..., 0] >> 3) << 11 | (v[..., 1] >> 2) << 5 | v[..., 2] >> 3).astype("<u2").tobytes()
    p555 = ((v[..., 0] >> 3) << 10 | (v[..., 1] >> 3) << 5 | v[..., 2] >> 3).astype("<u2").tobytes()
    bmp("rgb565.bmp", info(16, 3, len(p565)) + struct.pack("<III", 0xF800, 0x07E0, 0x1F), b"", p565)
    bmp("rgb555.bmp", info(16, 0, len(p555)), b"", p555)
    rgba = np.dstack([up, np.full((H, W, 1), 255, np.uint8)]).tobytes()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    bmp("rgb32.bmp", info(32, 0, len(rgba)), b"", rgba)
    bmp("fields32.bmp", info(32, 3, len(rgba)) + masks[:12], b"", rgba)
    bmp("v4.bmp", info(32, 3, len(rgba), size=108, tail=masks + b"BGRs" + b"\0" * 48), b"", rgba)
    bmp("v5.bmp", info(32, 3, len(rgba), size=124, tail=masks + b"BGRs" + b"\0" * 64), b"", rgba)
    bmp("top_down.bmp", info(24, 0, len(rgb), height=-H), b"", up[::-1].tobytes())
    rle = b"".join(bytes([W, y % 8]) + b"\0\0" for y in range(H)) + b"\0\1"
    bmp("rle8.bmp", info(8, 1, len(rle), 256), palette, rle)
    bmp("rle4.bmp", info(4, 2, len(rle), 16), palette[:64], rle)
    bmp("four.bmp", info(4, 0, W // 2 * H, 16), palette[:64], index[:, ::2].tobytes())
    bmp("length_0.bmp", info(24, 0, 0), b"", rgb, said=0)
    bmp("jpeg_inside.bmp", info(0, 4, 100), b"", b"\xff\xd8" + b"\0" * 98)
    for mode in ("1", "P", "L"):
        save(f"mode_{mode}.bmp", PICTURE.convert(mode))


def modern():
    turned = Image.Exif()
    turned[0x112] = 6
    save("plain.avif")
    save("alpha.avif", PICTURE.convert("RGBA"))
    save("turned.avif", exif=turned)
    save("moving.avif", save_all=True, append_images=[PICTURE])
    save("plain.jp2")
    save("gray.jp2", PICTURE.convert("L"))
    save("alpha.jp2", PICTURE.convert("RGBA"))
    save("codestream.j2k", no_jp2=True)
    save("lossless.webp", lossless=True)
    save("alpha.webp", PICTURE.convert("RGBA"))
    save("moving.webp", save_all=True, append_images=[PICTURE.rotate(90)])
    save("cmyk.jpg", PICTURE.convert("CMYK"))
    save("progressive.jpg", progressive=True)
    save("two.mpo", save_all=True, append_images=[PICTURE])
    save("gray16.png", Image.fromarray(GRAY16))
    save("palette.png", PICTURE.convert("P"))
    save("moving.png", save_all=True, append_images=[PICTURE])
    save("plain.gif")


os.makedirs(OUT, exist_ok=True)
tiffs()
bitmaps()
modern()
