"""Downloads from a server that breaks, stalls, lies, redirects and sends the wrong thing."""

import io
import re
import urllib.request
from collections import namedtuple
from http.client import HTTPMessage

import pytest
import torch

from gpen_core.checkpoints.file_kind import FileKind
from gpen_core.checkpoints.network_kinds import Network
from gpen_core.downloads import download as downloading
from gpen_core.downloads.fetch import existing, fetch, plan_fetch
from gpen_core.downloads.http import SafeRedirects, SourceError
from gpen_core.downloads.retry import DownloadMonitor
from gpen_core.errors import Cancelled, DownloadError, OptionError
from gpen_core.model_files.contents import Contents
from gpen_core.model_files.verify import Verdict


@pytest.fixture
def get(tmp_path, make, naps):
    """Fetches a file into an empty folder; its hash is known if `data` is given."""

    def call(*addresses, data=None, overwrite=False, timeout=10.0, watch=None, **entry):
        catalogue = make.catalogue(make.file(data=data, addresses=addresses, **entry))
        plan = plan_fetch(catalogue, "Tiny", tmp_path / "models")
        return fetch(plan, overwrite, naps.patience(timeout), watch=watch)

    return call


@pytest.fixture
def left(tmp_path):
    """The names of the files that are there."""
    return lambda: sorted(path.name for path in (tmp_path / "models").iterdir())


@pytest.fixture
def refused(get):
    """Fetches in vain; what is said about it."""

    def call(*addresses, **options):
        with pytest.raises(DownloadError) as caught:
            get(*addresses, **options)
        return str(caught.value)

    return call


DONE = ["tiny.pth", "tiny.pth.licence.txt"]
PART = ["tiny.pth.part", "tiny.pth.part.json"]
DATE = ("Date", "Wed, 21 Oct 2015 07:28:00 GMT")


class TestAllGoesWell:
    def test_file_and_its_terms_appear_and_nothing_else(self, site, answers, get, left, tiny):
        path = get(site.put("/m.pth", answers.serve(tiny)), data=tiny)
        assert path.read_bytes() == tiny
        assert left() == DONE
        terms = path.with_name("tiny.pth.licence.txt").read_text()
        assert f"{site.base}/m.pth" in terms
        assert "For tests only." in terms

    def test_without_a_known_hash_the_content_counts(self, site, answers, get, tiny):
        assert get(site.put("/m", answers.serve(tiny))).read_bytes() == tiny

    def test_a_length_that_nobody_tells_is_no_trouble(self, site, answers, get, tiny):
        parts = [tiny[:1000], tiny[1000:]]
        assert get(site.put("/m", answers.chunked(*parts)), data=tiny).read_bytes() == tiny

    def test_progress_ends_with_everything(self, site, answers, get, tiny):
        told = []
        address = site.put("/m", answers.serve(tiny))
        get(address, data=tiny, watch=DownloadMonitor(lambda at: told.append((at.done, at.total))))
        assert told[0] == (0, len(tiny))
        assert told[-1] == (len(tiny), len(tiny))
        assert sorted(told) == told

    @pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
    def test_redirects_are_followed(self, site, answers, get, tiny, code):
        site.put("/real", answers.serve(tiny))
        address = site.put("/m", answers.redirect("/real", code))
        assert get(address, data=tiny).read_bytes() == tiny

    def test_a_proxy_of_the_environment_is_used(
        self, site, answers, get, tiny, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("http_proxy", site.base)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        site.put("http://models.example/m.pth", answers.serve(tiny))
        assert get("http://models.example/m.pth", data=tiny).read_bytes() == tiny


class TestResuming:
    def test_goes_on_where_the_connection_broke(self, site, answers, get, left, tiny, naps):
        address = site.put("/m", answers.serve(tiny, upto=700), answers.serve(tiny))
        assert get(address, data=tiny).read_bytes() == tiny
        assert site.asked("Range") == [None, "bytes=700-"]
        assert site.asked("If-Range") == [None, '"v1"']
        assert naps == [1.0]
        assert left() == DONE

    def test_goes_on_in_another_run(self, site, answers, get, refused, left, tiny):
        address = site.put("/m", answers.serve(tiny, upto=700))
        said = refused(address, data=tiny)
        assert f"breaks off after 700 of {len(tiny):,} bytes, after 3 attempts" in said
        assert left() == PART
        site.put("/m", answers.serve(tiny))
        assert get(address, data=tiny).read_bytes() == tiny
        assert site.asked("Range")[-1] == "bytes=700-"
        assert left() == DONE

    def test_a_connection_that_breaks_often_gets_there_as_long_as_it_gets_further(
        self, site, answers, get, tiny, naps
    ):
        pieces = [answers.serve(tiny, upto=end) for end in range(600, 6000, 600)]
        assert get(site.put("/m", *pieces, answers.serve(tiny)), data=tiny).read_bytes() == tiny
        assert naps == [1.0] * 9

    def test_a_stalled_connection_is_given_up_and_taken_up_again(
        self, site, answers, get, tiny, naps
    ):
        address = site.put("/m", answers.serve(tiny, upto=900, hang=True), answers.serve(tiny))
        assert get(address, data=tiny, timeout=1.0).read_bytes() == tiny
        assert site.asked("Range") == [None, "bytes=900-"]
        assert naps == [1.0]

    def test_stalling_for_ever_is_told(self, site, answers, refused, tiny, naps):
        address = site.put("/m", answers.serve(tiny, upto=900, hang=True))
        said = refused(address, data=tiny, timeout=1.0)
        assert "stalls: nothing came for 1 s, after 3 attempts" in said
        assert naps == [1.0, 2.0]

    def test_begins_anew_where_the_server_knows_no_ranges(self, site, answers, get, tiny):
        first = answers.serve(tiny, upto=700)
        address = site.put("/m", first, answers.serve(tiny, ranges=False))
        assert get(address, data=tiny).read_bytes() == tiny

    def test_a_server_without_ranges_that_always_breaks_off_is_not_asked_for_ever(
        self, site, answers, refused, tiny
    ):
        address = site.put("/m", answers.serve(tiny, upto=700, ranges=False))
        assert "after 3 attempts" in refused(address, data=tiny)
        assert len(site.requests) == 3

    @pytest.mark.parametrize("ranges", [True, "always"])
    def test_never_joins_two_versions(self, site, answers, get, tiny, ranges):
        other = tiny[:600] + bytes(len(tiny) - 600)
        address = site.put(
            "/m",
            answers.serve(other, upto=700),
            answers.serve(tiny, etag='"v2"', ranges=ranges),
        )
        assert get(address).read_bytes() == tiny

    def test_bytes_of_another_address_are_not_added_to(self, site, answers, get, tiny):
        first = site.put("/1", answers.serve(b"PK\x03\x04" + bytes(900), upto=700))
        second = site.put("/2", answers.serve(tiny))
        assert get(first, second).read_bytes() == tiny
        paths = [path for path, _ in site.requests]
        assert paths.count("/2") == 1
        assert site.asked("Range")[-1] is None

    def test_without_a_mark_of_the_version_only_a_hash_makes_resuming_safe(
        self, site, answers, get, tiny
    ):
        for data, asked in ((None, None), (tiny, "bytes=700-")):
            address = site.put("/m", answers.serve(tiny, None, upto=700), answers.serve(tiny, None))
            assert get(address, data=data, overwrite=True).read_bytes() == tiny
            assert site.asked("Range")[-1] == asked

    def test_a_weak_mark_is_none_but_a_date_is_one(self, site, answers, get, tiny):
        date = ("Last-Modified", "Sun, 22 Nov 2020 05:00:00 GMT")
        for headers, asked in (((), None), ([date], "bytes=700-")):
            options = {"etag": 'W/"v1"', "headers": headers, "ranges": "always"}
            address = site.put(
                "/m", answers.serve(tiny, upto=700, **options), answers.serve(tiny, **options)
            )
            assert get(address, overwrite=True).read_bytes() == tiny
            assert site.asked("Range")[-1] == asked
        assert site.asked("If-Range")[-1] == date[1]

    def test_old_bytes_that_spoil_the_hash_are_replaced(
        self, site, answers, get, refused, tmp_path, tiny
    ):
        address = site.put("/m", answers.serve(tiny, upto=700))
        refused(address, data=tiny)
        part = tmp_path / "models" / "tiny.pth.part"
        part.write_bytes(b"PK\x03\x04" + bytes(696))
        site.put("/m", answers.serve(tiny))
        assert get(address, data=tiny).read_bytes() == tiny

    @pytest.mark.parametrize("record", ["", "[]", '{"address": 5}', "{}"])
    def test_a_spoilt_record_means_to_begin_anew(
        self, site, answers, get, refused, tmp_path, tiny, record
    ):
        address = site.put("/m", answers.serve(tiny, upto=700))
        refused(address, data=tiny)
        (tmp_path / "models" / "tiny.pth.part.json").write_text(record)
        site.put("/m", answers.serve(tiny))
        assert get(address, data=tiny).read_bytes() == tiny
        assert site.asked("Range")[-1] is None

    def test_a_part_that_is_complete_is_not_asked_for_again(
        self, site, answers, get, tmp_path, tiny, monkeypatch: pytest.MonkeyPatch
    ):
        address = site.put("/m", answers.serve(tiny))

        def locked(*_):
            raise PermissionError(13, "used by another program")

        with monkeypatch.context() as patched:
            patched.setattr("pathlib.Path.replace", locked)
            patched.setattr("os.link", locked)
            with pytest.raises(DownloadError, match="used by another program"):
                get(address)
        assert not (tmp_path / "models" / "tiny.pth").exists()
        assert get(address).read_bytes() == tiny
        assert len(site.requests) == 1

    @pytest.mark.parametrize("stop", [KeyboardInterrupt, Cancelled])
    def test_what_came_before_an_interruption_is_kept(self, site, answers, get, left, tiny, stop):
        address = site.put("/m", answers.serve(tiny))

        def show(progress):
            if progress.done and stop is KeyboardInterrupt:
                raise KeyboardInterrupt

        seen = []
        watch = DownloadMonitor(
            show, lambda: stop is Cancelled and (seen.append(1) or len(seen) > 1)
        )
        with pytest.raises(stop):
            get(address, data=tiny, watch=watch)
        assert left() == PART
        assert get(address, data=tiny).read_bytes() == tiny


class TestWrongContent:
    def test_a_length_other_than_the_known_one_is_refused_before_the_download(
        self, site, answers, refused, left, tiny
    ):
        address = site.put("/m", answers.serve(tiny + b"more"))
        said = refused(address, data=tiny)
        assert f"offers {len(tiny) + 4:,} bytes, but the file has {len(tiny):,}" in said
        assert left() == []
        assert len(site.requests) == 1

    def test_a_server_that_announces_more_than_it_sends_is_found_out(
        self, site, answers, refused, tiny
    ):
        address = site.put("/m", answers.serve(tiny, upto=-9))
        assert f"breaks off after {len(tiny) - 9:,} of {len(tiny):,}" in refused(address, data=tiny)

    def test_a_server_that_sends_more_than_the_file_has_is_cut_off(
        self, site, answers, refused, left, tiny
    ):
        address = site.put("/m", answers.chunked(tiny, bytes(5000)))
        assert "sends more than" in refused(address, data=tiny)
        assert left() == []

    def test_a_chunked_answer_without_its_end_is_not_taken_for_whole(
        self, site, answers, refused, tiny
    ):
        address = site.put("/m", answers.chunked(tiny[:5000], end=False))
        assert "breaks off" in refused(address)

    def test_something_huge_is_refused_before_the_download(self, site, answers, refused, left):
        address = site.put("/m", answers.serve(b"PK\x03\x04", length=3 << 30))
        assert "offers 3,221.2 MB, more than any model has" in refused(address)
        assert left() == []

    def test_other_bytes_of_the_right_length_are_found_by_the_hash(
        self, site, answers, refused, left, tiny
    ):
        changed = bytearray(tiny)
        changed[len(tiny) // 2] ^= 1
        said = refused(site.put("/m", answers.serve(bytes(changed))), data=tiny)
        assert "sent another file: its SHA-256 is" in said
        assert left() == []

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"<!DOCTYPE html><html>" + b" " * 900, "a web page saved as a model"),
            (b"<html>not found</html>", "a web page saved as a model"),
            (b'{"error": "no such file"}', "is a JSON text"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:a\n", "a Git LFS pointer"),
            (b"", "is empty"),
            (bytes(2000), "begins with zeros only"),
        ],
    )
    def test_what_is_no_model_at_all_is_named(self, site, answers, refused, left, content, said):
        told = refused(site.put("/m", answers.serve(content)))
        assert said in told
        assert "Delete it" not in told
        assert left() == []

    def test_a_web_page_is_given_up_after_its_first_bytes(self, site, answers, refused, left):
        page = b"<html>" + bytes(1 << 20)
        assert "a web page" in refused(site.put("/m", answers.serve(page, upto=2000)))
        assert len(site.requests) == 1
        assert left() == []

    def test_the_model_of_another_size_is_refused(self, site, answers, refused, left, thin_512):
        said = refused(site.put("/m", answers.serve(thin_512)))
        assert "sent GPEN, 512 pixels instead of GPEN, 64 pixels" in said
        assert left() == []

    def test_another_network_is_refused(self, site, answers, refused, make):
        gfpgan = ("stylegan_decoder.style_mlp.1.weight", "toRGB.0.weight")
        data = make.saved({key: torch.zeros(300) for key in gfpgan})
        said = refused(site.put("/m", answers.serve(data)))
        assert "sent GFPGAN instead of GPEN, 64 pixels" in said

    def test_a_damaged_model_is_refused(self, site, answers, refused, left, tiny):
        assert "is incomplete" in refused(site.put("/m", answers.serve(tiny[: len(tiny) // 2])))
        assert left() == []

    def test_what_cannot_be_recognised_is_refused(self, site, answers, refused):
        onnx = b"\x08\x07\x12\x04test\x3a\x00\x32\xe8\x07" + bytes(1000)
        said = refused(site.put("/m", answers.serve(onnx)))
        assert "cannot be recognised as GPEN, 64 pixels: ONNX model" in said

    def test_compressed_answers_are_refused(self, site, answers, refused, tiny):
        packed = answers.serve(tiny, headers=[("Content-Encoding", "gzip")])
        assert "sends the file compressed" in refused(site.put("/m", packed))


class TestUnwillingServers:
    @pytest.mark.parametrize("code", [401, 403, 404, 410])
    def test_a_refusal_is_final(self, site, answers, refused, code):
        address = site.put("/m", answers.status(code))
        assert f"{address} answers {code} " in refused(address)
        assert len(site.requests) == 1

    @pytest.mark.parametrize("code", [408, 429, 500, 503])
    def test_a_passing_trouble_is_waited_for(self, site, answers, get, tiny, naps, code):
        address = site.put("/m", answers.status(code), answers.status(code), answers.serve(tiny))
        assert get(address, data=tiny).read_bytes() == tiny
        assert naps == [1.0, 2.0]

    @pytest.mark.parametrize("code", [429, 503])
    @pytest.mark.parametrize(
        ("asked", "pauses"),
        [
            ([("Retry-After", "20")], [20.0]),
            ([("Retry-After", "Wed, 21 Oct 2015 07:28:40 GMT"), DATE], [40.0]),
            ([("Retry-After", "Wed, 21 Oct 2015 07:28:40 GMT")], [1.0]),  # long past
            ([("Retry-After", "0")], [1.0]),
            ([("Retry-After", "soon"), DATE], [1.0]),
            ([("Retry-After", "-5")], [1.0]),
        ],
    )
    def test_a_server_says_how_long_to_wait(
        self, site, answers, get, tiny, naps, code, asked, pauses, caplog
    ):
        address = site.put("/m", answers.status(code, asked), answers.serve(tiny))
        assert get(address, data=tiny).read_bytes() == tiny
        assert naps == pauses
        told = [f"{address} answers {code}" in line for line in caplog.messages]
        assert told == ([] if pauses == [1.0] else [True])

    @pytest.mark.parametrize(
        ("seconds", "said"), [("301", "6 min"), ("7500", "2 h 5 min"), ("9" * 400, "277777 h")]
    )
    def test_a_server_that_asks_for_too_much_is_given_up(
        self, site, answers, get, left, refused, tiny, naps, seconds, said
    ):
        asked = answers.status(429, [("Retry-After", seconds)])
        address = site.put("/m", answers.serve(tiny, upto=1000), asked, answers.serve(tiny))
        assert f"answers 429 Too Many Requests and asks to wait for {said}" in refused(address)
        assert naps == [1.0]
        assert left() == PART
        assert get(address, data=tiny).read_bytes() == tiny
        assert site.asked("Range")[-1] == "bytes=1000-"

    def test_another_address_is_not_waited_for(self, site, answers, get, tiny, naps):
        busy = site.put("/busy", answers.status(503, [("Retry-After", "3600")]))
        assert get(busy, site.put("/m", answers.serve(tiny)), data=tiny).read_bytes() == tiny
        assert naps == []

    def test_waiting_can_be_cancelled(self, site, answers, get, naps):
        address = site.put("/m", answers.status(429, [("Retry-After", "100")]))
        with pytest.raises(Cancelled):
            get(address, watch=DownloadMonitor(cancelled=lambda: sum(naps) > 3))
        assert 3 < sum(naps) < 4

    def test_a_lasting_trouble_is_told(self, site, answers, refused):
        address = site.put("/m", answers.status(500))
        assert "answers 500 Internal Server Error, after 3 attempts" in refused(address)
        assert len(site.requests) == 3

    def test_a_range_that_cannot_be_had_means_to_begin_anew(self, site, answers, get, tiny):
        address = site.put(
            "/m", answers.serve(tiny, upto=700), answers.status(416), answers.serve(tiny)
        )
        assert get(address, data=tiny).read_bytes() == tiny
        assert site.asked("Range") == [None, "bytes=700-", None]

    def test_a_circle_of_redirects_ends(self, site, answers, refused):
        site.put("/b", answers.redirect("/a"))
        assert "redirects in a circle" in refused(site.put("/a", answers.redirect("/b")))

    @pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://example.org/m", "data:,x"])
    def test_redirects_lead_to_web_addresses_only(self, site, answers, refused, left, place):
        said = refused(site.put("/m", answers.redirect(place)))
        assert re.search(
            r"/m redirects (from http to ftp:|in a circle, or to what is not a web)", said
        )
        assert len(site.requests) == 1
        assert left() == []

    def test_redirects_never_lead_from_https_to_http(self):
        def follow(new):
            body = io.BytesIO()
            request = urllib.request.Request("https://example.org/m")
            return SafeRedirects().redirect_request(request, body, 302, "", HTTPMessage(), new)

        assert follow("https://cdn.example.org/m").full_url == "https://cdn.example.org/m"
        with pytest.raises(SourceError, match="which is not safe"):
            follow("http://example.org/m")

    def test_nobody_at_home(self, refused, naps):
        said = refused("http://127.0.0.1:9/m")
        assert "cannot be reached" in said
        assert naps == [1.0, 2.0]

    def test_the_next_address_is_taken(self, site, answers, get, tiny):
        gone = site.put("/gone", answers.status(404))
        page = site.put("/page", answers.serve(b"<html></html>"))
        good = site.put("/good", answers.serve(tiny))
        path = get(gone, page, good, data=tiny, bytes=None)
        assert path.read_bytes() == tiny
        assert good in path.with_name("tiny.pth.licence.txt").read_text()

    def test_when_all_fail_each_is_named_and_the_way_by_hand(
        self, site, answers, refused, tmp_path
    ):
        gone = site.put("/gone", answers.status(404))
        page = site.put("/page", answers.serve(b"<html></html>"))
        said = refused(gone, page)
        assert f"\n  {gone} answers 404 Not Found\n  {page} sends what is a web page" in said
        assert "https://example.org/tiny" in said
        assert str(tmp_path / "models" / "tiny.pth") in said


class TestFilesOnDisk:
    @pytest.fixture
    def old(self, tmp_path):
        path = tmp_path / "models" / "tiny.pth"
        path.parent.mkdir()
        path.write_bytes(b"old")
        return path

    def test_an_existing_file_is_kept(self, site, answers, refused, old, tiny):
        assert "exists already" in refused(site.put("/m", answers.serve(tiny)))
        assert old.read_bytes() == b"old"
        assert site.requests == []

    def test_it_is_replaced_when_asked(self, site, answers, get, old, tiny):
        get(site.put("/m", answers.serve(tiny)), overwrite=True)
        assert old.read_bytes() == tiny

    def test_it_is_kept_when_what_comes_is_wrong(self, site, answers, refused, old):
        address = site.put("/m", answers.serve(b"<html></html>"))
        refused(address, overwrite=True)
        assert old.read_bytes() == b"old"

    def test_one_that_appears_meanwhile_is_kept(self, site, answers, refused, tmp_path, tiny):
        path = tmp_path / "models" / "tiny.pth"
        watch = DownloadMonitor(lambda *_: path.write_bytes(b"mine"))
        assert "exists already" in refused(site.put("/m", answers.serve(tiny)), watch=watch)
        assert path.read_bytes() == b"mine"

    def test_what_is_there_already_is_judged(self, make, old, tiny):
        catalogue = make.catalogue(make.file(data=tiny, addresses=["https://example.org/m"]))
        plan = plan_fetch(catalogue, "tiny", old.parent)
        assert existing(plan, catalogue).verdict is Verdict.WRONG
        old.write_bytes(tiny)
        assert existing(plan, catalogue).verdict is Verdict.CONFIRMED
        old.unlink()
        assert existing(plan, catalogue) is None

    def test_a_full_disk_is_told_before_the_download(
        self, site, answers, refused, left, tiny, monkeypatch: pytest.MonkeyPatch
    ):
        usage = namedtuple("usage", "total used free")(10**6, 10**6 - 1000, 1000)
        monkeypatch.setattr(downloading.shutil, "disk_usage", lambda _: usage)
        said = refused(site.put("/m", answers.serve(tiny)))
        assert "has 1.0 kB of free space" in said
        assert left() == []

    def test_a_file_that_cannot_be_written_is_told(self, site, answers, refused, tmp_path, tiny):
        (tmp_path / "models" / "tiny.pth.part").mkdir(parents=True)
        said = refused(site.put("/m", answers.serve(tiny)))
        assert "tiny.pth.part cannot be written" in said

    def test_a_folder_that_cannot_be_made_is_told(self, site, refused, tmp_path):
        (tmp_path / "models").write_text("a file")
        assert "cannot be made" in refused(site.base)


class TestPlan:
    @pytest.fixture
    def catalogue(self, make):
        return make.catalogue(make.file(addresses=["https://a.example/1", "https://b.example/2"]))

    def test_addresses_in_order(self, catalogue, tmp_path):
        plan = plan_fetch(catalogue, "SMALL ONE", tmp_path)
        assert plan.addresses == ("https://a.example/1", "https://b.example/2")
        assert plan.target == tmp_path / "tiny.pth"

    def test_a_mirror_comes_first(self, catalogue, tmp_path):
        plan = plan_fetch(catalogue, "tiny.pth", tmp_path, mirror="http://m.example/x/")
        assert plan.addresses[0] == "http://m.example/x/tiny.pth"
        assert len(plan.addresses) == 3

    def test_an_address_given_is_the_only_one(self, catalogue, tmp_path):
        plan = plan_fetch(
            catalogue, "tiny", tmp_path, url=" https://c.example/3 ", mirror="http://m.example"
        )
        assert plan.addresses == ("https://c.example/3",)

    @pytest.mark.parametrize(
        "address",
        ["file:///etc/passwd", "ftp://a.example/1", "a.example/1", "", "https://", "http://[1"],
    )
    def test_only_web_addresses(self, catalogue, tmp_path, address):
        with pytest.raises(OptionError, match="is not a web address"):
            plan_fetch(catalogue, "tiny", tmp_path, url=address)

    @pytest.mark.parametrize("who", ["me:secret", ":secret"])
    def test_a_password_in_an_address_is_refused_and_not_repeated(self, catalogue, tmp_path, who):
        with pytest.raises(OptionError, match=r"at 'c\.example' has a user's name") as refused:
            plan_fetch(catalogue, "tiny", tmp_path, url=f"https://{who}@c.example/3")
        assert "secret" not in str(refused.value)

    def test_unknown_names_are_told_with_the_known_ones(self, catalogue, tmp_path):
        with pytest.raises(OptionError, match=r"no model is known by the name 'x'\. Known: Tiny"):
            plan_fetch(catalogue, "x", tmp_path)

    def test_without_any_address_there_is_the_way_by_hand(self, make, tmp_path):
        with pytest.raises(DownloadError, match="by hand"):
            plan_fetch(make.catalogue(make.file()), "tiny", tmp_path)

    def test_a_file_with_an_address_is_preferred(self, make, tmp_path):
        catalogue = make.catalogue(
            make.file("a.pth"), make.file("b.pth", addresses=["https://a.example/b"])
        )
        assert plan_fetch(catalogue, "tiny", tmp_path).target.name == "b.pth"


def test_another_reader_can_recognise_what_the_own_ones_do_not(site, answers, make, tmp_path):
    onnx = b"\x08\x07\x12\x04test\x3a\x00\x32\xe8\x07" + bytes(1000)
    address = site.put("/m", answers.serve(onnx))
    catalogue = make.catalogue(make.file("tiny.onnx", addresses=[address], format="onnx"))
    plan = plan_fetch(catalogue, "tiny", tmp_path)
    readers = dict.fromkeys(FileKind, lambda _: Contents("onnx", Network.GPEN, 64))
    assert fetch(plan, readers=readers).read_bytes() == onnx
