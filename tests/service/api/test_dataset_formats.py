"""Uploads of images and tables: what is accepted, what is stored, and what is refused."""

import io
import random
import struct
import zipfile
import zlib
from contextlib import suppress

import numpy as np
import pytest
from arro3.core import Array, DataType, Table
from arro3.io import write_parquet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lth.datasets import Uploaded
from service.converting import images, tables
from service.converting.messages import Converted, Order, Unreadable
from service.store.blobs.object_store import Blobs
from tests.service.api.test_datasets import good, npz
from tests.service.api.test_submitting import problem

ORDER = Order(
    source=0,
    target=0,
    label_column=None,
    most_bytes=10**6,
    most_values=10**5,
    most_classes=100,
)
rng = np.random.default_rng(0)


def image(size=(6, 5), mode="L", kind="PNG", value=None) -> bytes:
    width, height = size
    bands = {"L": 1, "RGB": 3, "RGBA": 4, "LA": 2}.get(mode, 1)
    pixels = rng.integers(0, 255, (height, width, bands), np.uint8)
    if value is not None:
        pixels[:] = value
    if mode in ("RGBA", "LA"):
        pixels[..., -1] = 255
    made = Image.fromarray(pixels.squeeze(-1) if bands == 1 else pixels, mode if bands > 1 else "L")
    buffer = io.BytesIO()
    made.save(buffer, kind)
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def flat(**other: bytes) -> dict[str, bytes]:
    """Five images of each of two classes."""
    made = {f"{name}/{n}.png": image() for name in ("cat", "dog") for n in range(5)}
    return {**made, **other}


def csv(rows: int = 20, label: str = "label") -> bytes:
    lines = [f"a,b,{label}"] + [f"{n},{n / 7},{'yes' if n % 2 else 'no'}" for n in range(rows)]
    return "\n".join(lines).encode()


def parquet(**columns: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    write_parquet(Table({name: Array.from_numpy(made) for name, made in columns.items()}), buffer)
    return buffer.getvalue()


def convert(content: bytes, how=tables.convert_csv, **order) -> tuple[dict, Converted]:
    """Convert in this process: the arrays, and what was converted."""
    target = io.BytesIO()
    converted = how(io.BytesIO(content), target, ORDER.model_copy(update=order))
    target.seek(0)
    with np.load(target) as arrays:
        return {name: arrays[name] for name in arrays.files}, converted


def convert_images(content: bytes, **order) -> tuple[dict, Converted]:
    return convert(content, images.convert, **order)


def convert_parquet(content: bytes, **order) -> tuple[dict, Converted]:
    return convert(content, tables.convert_parquet, **order)


def upload(api, content: bytes, kind: str = "application/octet-stream", **query):
    params = {"name": "mine", **query}
    return api.post("/v1/datasets", params=params, content=content, headers={"Content-Type": kind})


class TestUpload:
    def test_images_are_converted_once_and_described(self, api, settings):
        pictures = flat()
        answer = upload(api, zipped(pictures), "application/zip")
        assert answer.status_code == 201, answer.text
        found = answer.json()
        assert (found["format"], found["class_names"]) == ("images", ["cat", "dog"])
        assert (found["shape"], found["classes"]) == ([5, 6, 1], 2)
        assert (found["train"], found["test"]) == (8, 2)
        assert found == api.get(f"/v1/datasets/{found['id']}").json()
        with np.load(io.BytesIO(Blobs(settings.object_store_url).get(found["digest"]))) as stored:
            expected = [np.asarray(Image.open(io.BytesIO(one))) for one in pictures.values()]
            assert (stored["x"][..., 0] == np.stack(expected)).all()
            assert stored["y"].tolist() == [0] * 5 + [1] * 5

    @pytest.mark.parametrize("kind", ["text/csv", "application/octet-stream"])
    def test_a_table_is_converted(self, api, kind):
        found = upload(api, csv(), kind).json()
        assert (found["format"], found["class_names"]) == ("csv", ["no", "yes"])
        assert (found["shape"], found["train"], found["test"]) == ([2], 16, 4)

    def test_a_parquet_file_is_converted(self, api):
        made = parquet(x=np.arange(30.0), target=np.arange(30) % 3)
        found = upload(api, made, "application/vnd.apache.parquet", label_column="target").json()
        assert (found["format"], found["class_names"]) == ("parquet", ["0", "1", "2"])

    def test_a_column_of_labels_is_refused_for_other_files(self, api):
        for content in (npz(**good()), zipped(flat())):
            document = problem(upload(api, content, label_column="x"), 422, "invalid-dataset")
            assert "label_column is for CSV and Parquet" in document["detail"]

    def test_the_same_file_gives_the_same_bytes(self, api):
        content = zipped(flat())
        assert upload(api, content).json()["digest"] == upload(api, content).json()["digest"]

    def test_a_wrong_file_is_refused_and_nothing_is_stored(self, api):
        for content in (b"", b"\x00\x01\x02", zipped({"a/1.txt": b"x"}), b"a,b\n1,2\n", b"PAR1"):
            document = problem(upload(api, content), 422, "invalid-dataset")
            assert document["detail"]
        assert api.get("/v1/datasets").json()["datasets"] == []


class TestImages:
    def test_parts_and_a_common_directory_are_recognised(self):
        files = {
            f"data/{part}/{name}/{n}.jpg": image(kind="JPEG")
            for part in ("train", "val", "test")
            for name in ("a", "b")
            for n in range(2)
        }
        arrays, converted = convert_images(zipped(files))
        assert set(arrays) == {
            f"{x}_{part}" for x in "xy" for part in ("train", "validation", "test")
        }
        assert converted.class_names == ("a", "b")

    def test_gray_and_color_become_color_with_a_remark(self):
        arrays, converted = convert_images(zipped(flat(**{"cat/x.png": image(mode="RGB")})))
        assert arrays["x"].shape == (11, 5, 6, 3)
        assert "gray and in color are mixed" in converted.remarks[0]

    def test_an_opaque_alpha_channel_is_left_out(self):
        arrays, _ = convert_images(zipped(flat(**{"cat/x.png": image(mode="LA")})))
        assert arrays["x"].shape == (11, 5, 6, 1)

    def test_names_of_classes_may_be_in_any_script(self):
        files = {f"{name}/{n}.png": image() for name in ("猫", "Hündin") for n in range(3)}
        assert convert_images(zipped(files))[1].class_names == ("Hündin", "猫")

    def test_files_of_operating_systems_are_ignored(self):
        clutter = {"__MACOSX/cat/._1.png": b"x", "cat/.DS_Store": b"x", "Thumbs.db": b"x"}
        assert len(convert_images(zipped(flat(**clutter)))[0]["y"]) == 10

    @pytest.mark.parametrize(
        ("files", "said"),
        [
            (flat(**{"cat/x.png": image((7, 5))}), "has 7 x 5 pixels, but"),
            (flat(**{"cat/x.txt": b"hello"}), "'cat/x.txt' is no PNG or JPEG"),
            (flat(**{"cat/x.png": b"hello"}), "'cat/x.png' is neither a PNG nor a JPEG"),
            (flat(**{"cat/x.png": image()[:60]}), "'cat/x.png' is"),
            (flat(**{"../x.png": image()}), "leads out of the zip file"),
            (flat(**{"/cat/x.png": image()}), "leads out of the zip file"),
            (flat(**{"x.png": image()}), "at the wrong place"),
            (flat(**{"cat/deep/x.png": image()}), "at the wrong place"),
            ({"cat/1.png": image(), "cat/2.png": image()}, "the file has 1 classes"),
            ({"train/a/1.png": image(), "a/1.png": image()}, "is in no part"),
            ({f"{p}/{c}/1.png": image() for p in ("val", "test") for c in "ab"}, "no 'train'"),
            (flat(**{"C:/x.png": image()}), "leads out of the zip file"),
            (flat(**{"cow/": b""}), "the directory 'cow/' has no image"),
            (flat(**{"c\x1b[2J/1.png": image()}), "has control characters"),
            (flat(**{"train/1.png": image()}), "'train/1.png' is at the wrong place"),
            (
                {f"{p}/{c}/1.png": image() for p, c in (("train", "a"), ("test", "b"))},
                "no training sample",
            ),
            ({"a/1.png": image(), "b/1.png": image()}, "of 2 samples none can be set aside"),
        ],
    )
    def test_wrong_images_are_refused_by_name(self, files, said):
        with pytest.raises(Unreadable, match=said):
            convert_images(zipped(files))

    def test_transparent_and_deep_images_are_refused(self):
        buffer = io.BytesIO()
        Image.new("RGBA", (6, 5), (1, 2, 3, 100)).save(buffer, "PNG")
        with pytest.raises(Unreadable, match="has transparent pixels"):
            convert_images(zipped(flat(**{"cat/x.png": buffer.getvalue()})))
        buffer = io.BytesIO()
        Image.fromarray(np.zeros((5, 6), np.uint16)).save(buffer, "PNG")
        with pytest.raises(Unreadable, match="expected 8 bits per channel"):
            convert_images(zipped(flat(**{"cat/x.png": buffer.getvalue()})))

    def test_colors_of_16_bits_are_refused(self):
        def chunk(kind: bytes, content: bytes) -> bytes:
            length, check = len(content), zlib.crc32(kind + content)
            return struct.pack(">I", length) + kind + content + struct.pack(">I", check)

        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 6, 5, 16, 2, 0, 0, 0))
        pixels = chunk(b"IDAT", zlib.compress(bytes(5 * (1 + 6 * 6))))
        deep = b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")
        assert Image.open(io.BytesIO(deep)).mode == "RGB"  # as if it had 8 bits
        with pytest.raises(Unreadable, match=r"'cat/x\.png' has the color mode RGB with 16 bits"):
            convert_images(zipped(flat(**{"cat/x.png": deep})))

    def test_an_orientation_is_not_applied_and_is_remarked(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        buffer = io.BytesIO()
        Image.new("L", (6, 5)).save(buffer, "JPEG", exif=exif)
        made, converted = convert_images(zipped(flat(**{"cat/x.jpg": buffer.getvalue()})))
        assert made["x"].shape == (11, 5, 6, 1)
        assert converted.remarks[0] == "1 images have an EXIF orientation, which is not applied"

    def test_a_palette_becomes_colors(self):
        buffer = io.BytesIO()
        Image.new("RGB", (6, 5), (10, 20, 30)).convert("P").save(buffer, "PNG")
        made, _ = convert_images(zipped({f"{n % 2}/{n}.png": buffer.getvalue() for n in range(9)}))
        assert made["x"].shape == (9, 5, 6, 3)

    def test_classes_that_are_numbers_are_ordered_by_size(self):
        files = {f"{name}/{n}.png": image() for name in range(11) for n in range(3)}
        assert convert_images(zipped(files))[1].class_names == tuple(map(str, range(11)))

    def test_two_forms_of_the_same_name_are_one_class(self):
        names = ("\u00e9", "e\u0301", "f")
        files = {f"{name}/{n}.png": image() for name in names for n in range(4)}
        assert convert_images(zipped(files))[1].class_names == ("f", "\u00e9")

    def test_the_number_of_files_is_checked_before_the_directory_is_read(self, monkeypatch):
        monkeypatch.setattr(images, "_MOST_FILES", 9)
        read = zipfile.ZipFile
        monkeypatch.setattr(images.zipfile, "ZipFile", lambda _: pytest.fail("it was read"))
        for most in (10, 3):  # an archive in the usual format, and one in zip64
            with monkeypatch.context() as patch:
                patch.setattr(zipfile, "ZipFile", read)
                patch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", most)
                content = zipped(flat())
            assert (b"PK\x06\x06" in content) == (most == 3)
            with pytest.raises(Unreadable, match="the zip file has 10 files and a directory of"):
                convert_images(content)

    def test_a_false_number_of_files_is_noticed(self, monkeypatch):
        monkeypatch.setattr(images, "_MOST_FILES", 9)
        content = zipped(flat())
        at = content.rindex(b"PK\x05\x06")
        content = content[: at + 8] + struct.pack("<2H", 2, 2) + content[at + 12 :]
        with pytest.raises(Unreadable, match="the zip file has 10 files; at most 9 are taken"):
            convert_images(content)

    def test_a_large_archive_is_zip64(self, monkeypatch):
        monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)
        assert len(convert_images(zipped(flat()))[0]["y"]) == 10

    def test_the_size_is_checked_before_pixels_are_decoded(self, monkeypatch):
        huge = image((1_000, 1_000), value=0)
        files = {f"{name}/1.png": huge for name in "ab"}
        monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
        with pytest.raises(Unreadable, match="2,000,000 bytes or more; at most 1,000,000"):
            convert_images(zipped(files), most_values=10**7)
        with pytest.raises(Unreadable, match="are 1,000,000 values; at most 100,000 are taken"):
            convert_images(zipped(files))


class TestTables:
    def test_labels_are_numbered_by_size_or_alphabet(self):
        made = parquet(x=np.arange(6.0), label=np.array([10, 2, 33, 2, 10, 33]))
        arrays, converted = convert_parquet(made)
        assert converted.class_names == ("2", "10", "33")
        assert arrays["y"].tolist() == [1, 0, 2, 0, 1, 2]
        assert arrays["x"].dtype == np.float32

    def test_a_split_column_makes_parts_in_the_order_of_the_rows(self):
        text = "x,label,split\n1,a,train\n2,b,test\n3,b,Train\n4,a,val\n"
        arrays, _ = convert(text.encode())
        assert arrays["x_train"].tolist() == [[1], [3]]
        assert arrays["y_train"].tolist() == [0, 1]
        assert arrays["x_test"].tolist() == [[2]]
        assert arrays["y_validation"].tolist() == [0]

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_usual_delimiters_and_a_byte_order_mark_are_read(self, delimiter):
        text = "x, label\n" + "1, a\n+2.5e0,b\n" * 5
        made, converted = convert(b"\xef\xbb\xbf" + text.replace(",", delimiter).encode())
        assert made["x"].tolist() == [[1], [2.5]] * 5
        assert converted.class_names == ("a", "b")

    def test_many_batches_are_joined(self, monkeypatch):
        monkeypatch.setattr(tables, "_VALUES_OF_BATCH", 9)
        arrays, _ = convert(csv(100))
        assert arrays["x"][:, 0].tolist() == list(range(100))

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("x,y\n1,2\n", "no column 'label'; the columns are x, y; .* with label_column"),
            ("x,label\n1,a\n,b\n", "the column 'x' has nothing in row 2"),
            ("x,label\n1,a\nsmall,b\n", "the column 'x' has 'small' in row 2"),
            ("x,label\n1,a\ninf,b\n", "the column 'x' has 'inf' in row 2"),
            ("x,label\n1,a\n1e60,b\n", "the column 'x' has '1e60' in row 2"),
            ("x,label\n1,a\nnan,b\n", "the column 'x' has 'nan' in row 2"),
            ("x,label\n1,a\n2,\n", "the column 'label' has no label in row 2"),
            ("x,label\n1,a\n1_0,b\n", "the column 'x' has '1_0' in row 2"),
            ("x,label\n1,a\n\u0661,b\n", "the column 'x' has '\u0661' in row 2"),
            ("x,label\n1,a\n2,a\n", "the file has 1 classes; expected 2 to 100"),
            ("x,label\n", "the file has 0 classes"),
            ("x,label\n1,a\n2,b\n", "of 2 samples none can be set aside for testing"),
            ("x,label\n1,a\n2,b\x1b[2J\n", r"'b\\x1b\[2J' has control characters"),
            ("x,label\n1,a\n2," + "b" * 101 + "\n", "has 101 characters; at most 100"),
            (",x,label\n1,2,a\n", "the column 1 with the name '' seems to be an index"),
            ("x,label,split\n1,a,train\n2,b,test\n", "the class 'b' has no training sample"),
            ("label\na\nb\n", "no column of features"),
            ("x,x,label\n1,2,a\n", "the column 'x' is there twice"),
            ("x,label,split\n1,a,train\n2,b,other\n", "'other' in row 2; expected train, test"),
            ("x,label,split\n1,a,test\n2,b,test\n", "only the parts test, no 'train'"),
            ("x,label\n1,a\n1,2,3\n", "no readable CSV file: .* for line 3, expected 2 got 3"),
        ],
    )
    def test_wrong_tables_are_refused_by_column_and_row(self, text, said):
        with pytest.raises(Unreadable, match=said):
            convert(text.encode())

    def test_too_many_values_are_refused_while_they_are_read(self):
        with pytest.raises(Unreadable, match="bytes or more; at most 1,000 are taken"):
            convert(csv(1_000), most_bytes=1_000)

    def test_labels_that_are_fractions_are_refused(self):
        with pytest.raises(Unreadable, match=r"0\.5 in row 1; expected a class"):
            convert_parquet(parquet(x=np.arange(3.0), label=np.array([0.5, 1.0, 2.0])))

    def test_columns_of_other_types_are_refused(self):
        buffer = io.BytesIO()
        names = Array(["a", "b"] * 5, DataType.string())
        write_parquet(Table({"x": names, "label": names}), buffer)
        with pytest.raises(Unreadable, match=r"the column 'x' is Utf8; expected numbers"):
            convert_parquet(buffer.getvalue())
        days = Array.from_numpy(np.arange(10).astype("datetime64[s]"))
        buffer = io.BytesIO()
        write_parquet(Table({"x": days, "label": names}), buffer)
        with pytest.raises(Unreadable, match=r"'x' is Timestamp\(.*\); expected numbers"):
            convert_parquet(buffer.getvalue())

    def test_missing_values_of_a_parquet_file_are_refused(self):
        buffer = io.BytesIO()
        values = Array([1.0, None] + [2.0] * 8, DataType.float64())
        write_parquet(Table({"x": values, "label": Array.from_numpy(np.arange(10) % 2)}), buffer)
        with pytest.raises(Unreadable, match="the column 'x' has nothing in row 2"):
            convert_parquet(buffer.getvalue())

    def test_a_class_without_test_samples_is_remarked(self):
        text = "x,label,split\n1,a,train\n2,b,train\n3,a,test\n"
        assert convert(text.encode())[1].remarks == ("the class 'b' has no test sample",)

    def test_a_damaged_parquet_file_is_refused(self):
        content = bytearray(parquet(x=np.arange(50.0), label=np.arange(50) % 2))
        for cut in (5, 20, len(content) - 9):
            with pytest.raises(Unreadable, match="no readable Parquet file"):
                convert_parquet(bytes(content[:cut]))


DAMAGED = {
    convert_images: zipped(flat()),
    convert: csv(),
    convert_parquet: parquet(x=np.arange(50.0), label=np.arange(50) % 2),
}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.sampled_from(list(DAMAGED)))
def test_damaged_files_are_refused_or_read_but_never_crash(seed, how):
    random_bytes = random.Random(seed)
    content = bytearray(DAMAGED[how])
    for _ in range(random_bytes.randint(1, 8)):
        content[random_bytes.randrange(len(content))] = random_bytes.randrange(256)
    if random_bytes.random() < 0.3:
        del content[random_bytes.randrange(4, len(content)) :]
    with suppress(Unreadable):
        arrays, converted = how(bytes(content))
        assert set(arrays) == {"x", "y"}
        assert len(arrays["x"]) == len(arrays["y"])
        assert arrays["y"].max() < len(converted.class_names)


def test_a_worker_reads_a_converted_file():
    arrays, _ = convert(csv())
    content = io.BytesIO()
    np.savez(content, **arrays)
    content.seek(0)
    read = Uploaded.model_construct(kind="uploaded").read(content)
    assert (len(read.x_train), len(read.x_test)) == (16, 4)
    assert read.x_train.dtype == np.float32
