"""What a user calls a stored run, and the file that is meant."""

from pathlib import Path

import pytest

from bench_core.core.case import Case
from bench_core.core.errors import RecordError
from bench_core.storage import naming
from tests.support import factory, repositories

DAYS = [f"2026-01-{day:02d}T00:00:00+00:00" for day in range(1, 10)]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The current folder: it has no repository and no results yet."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BENCH_CORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return folder


def store(path, day=1, **facts):
    """A stored run of one case, of a day of January."""
    facts.setdefault("run_id", str(path))
    factory.store(factory.run([factory.record(Case("w"))], started=DAYS[day - 1], **facts), Path(path))
    return Path(path)


def git(*arguments):
    return repositories.git(Path.cwd(), *arguments)


@pytest.fixture
def commits(here):
    """Three commits of a repository in the current folder, oldest first."""
    git("init", "--quiet", "--initial-branch=main")
    made = []
    for message in ("first", "second", "third"):
        git("commit", "--quiet", "--allow-empty", "--message", message)
        made.append(git("rev-parse", "HEAD"))
    return made


class TestFilesAndFolders:
    def test_file_is_meant_by_its_path(self):
        path = store("a/0001_x.json")
        assert naming.find("a/0001_x.json") == naming.Named("a/0001_x.json", path)

    def test_folder_means_its_newest_run_whatever_the_numbers(self):
        store("a/0002_x.json", day=1), store("a/deep/0001_x.json", day=3), store("a/0003_x.json", day=2)
        named = naming.find("a")
        assert (named.path, named.how) == (Path("a/deep/0001_x.json"), "the newest of 3 runs in this folder")

    def test_files_of_a_folder_that_cannot_be_read_are_noted(self):
        path = store("a/0001_x.json")
        Path("a/0002_x.json").write_text("broken")
        named = naming.find("a")
        assert named.path == path
        assert [note.partition(":")[0] for note in named.notes] == [str(Path("a/0002_x.json"))]

    @pytest.mark.parametrize("content", [None, "broken"])
    def test_folder_without_a_run_that_can_be_read_is_an_error(self, here, content):
        (here / "a").mkdir()
        if content:
            Path("a/0001_x.json").write_text(content)
        with pytest.raises(RecordError, match=r"a: has no stored run|0001_x.json: is not complete JSON"):
            naming.find("a")

    @pytest.mark.parametrize("name", ["latest", "main"])
    def test_file_comes_before_latest_and_before_a_commit(self, commits, name):
        stored = store("results/m/0001_x.json", day=9, commit=commits[2])
        assert naming.find(name).path == stored
        assert naming.find(str(store(name))) == naming.Named(name, Path(name))

    def test_name_that_is_too_long_is_an_error(self):
        with pytest.raises(RecordError, match="cannot be read"):
            naming.find("x" * 300)


class TestLatest:
    def test_newest_run_of_the_own_folders_is_the_latest(self):
        store("results/m/0001_x.json", day=2), store("results/n/0001_x.json", day=3)
        store("results/reference/m/0001_x.json", day=9)
        named = naming.find("latest")
        assert named.path == Path("results/n/0001_x.json")
        assert named.how == "the newest of 2 runs in results/m, results/n"

    def test_without_own_runs_it_is_the_newest_reference_run(self):
        store("results/reference/a/0001_x.json", day=2), store("results/reference/z/0001_x.json", day=1)
        path = store("results/reference/m/0001_x.json", day=3)
        assert naming.find("latest").path == path
        assert naming.default_paths() == [Path("results/reference/m")]

    @pytest.mark.parametrize(
        ("folder", "words"), [(None, "results: no such folder here"), ("results", "results: has no stored run")]
    )
    def test_without_any_run_the_error_says_where_it_was_looked_for(self, folder, words):
        if folder:
            Path(folder).mkdir()
        with pytest.raises(RecordError, match=f"latest: the newest run is looked for in results; {words}"):
            naming.find("latest")


class TestCommits:
    @pytest.mark.parametrize("name", ["HEAD~1", "v1", "side", "{full}", "{short}", "HEAD^"])
    def test_whatever_git_takes_for_a_commit_means_its_run(self, commits, name):
        git("tag", "-a", "v1", commits[1], "-m", "annotated")
        git("branch", "side", commits[1])
        for number, commit in enumerate(commits, start=1):
            store(f"results/m/{number:04}_x.json", commit=commit)
        named = naming.find(name.format(full=commits[1], short=commits[1][:7]))
        assert named.path == Path("results/m/0002_x.json")
        assert named.how == f"the newest of 1 run of commit {commits[1][:10]}"

    def test_newest_clean_run_is_preferred(self, commits):
        runs = [(1, False), (2, False), (3, None), (4, True)]
        for day, dirty in runs:
            store(f"results/m/{day:04}_x.json", day=day, commit=commits[2], dirty=dirty)
        named = naming.find("HEAD")
        assert (named.path.name, "uncommitted" in named.how) == ("0002_x.json", False)

    def test_run_with_uncommitted_changes_is_taken_where_there_is_no_other_and_said_so(self, commits):
        store("results/m/0001_x.json", commit=commits[2], dirty=True)
        assert naming.find("HEAD").how.endswith(", with uncommitted changes")

    def test_commit_without_a_run_is_an_error_that_names_it(self, commits):
        store("results/m/0001_x.json", commit=commits[0])
        with pytest.raises(RecordError) as refused:
            naming.find("HEAD")
        for words in ("'HEAD': is not a file or folder", "in results/m (1 run)", f"of commit {commits[2][:10]};"):
            assert words in str(refused.value)

    @pytest.mark.parametrize("name", ["nowhere", "HEAD:file", "HEAD~9", "main..HEAD", "-x", "--help", "", "12"])
    def test_what_git_does_not_know_is_an_error(self, commits, name):
        store("results/m/0001_x.json", commit=commits[0])
        with pytest.raises(RecordError, match="is not a file or folder, and git knows no commit of this name here"):
            naming.find(name)

    def test_without_a_repository_the_beginning_of_a_stored_commit_is_enough(self):
        path = store("results/m/0001_x.json", commit="abcdef" + "0" * 34)
        assert naming.find("ABCDE").path == path

    def test_beginning_of_several_stored_commits_is_an_error(self):
        for number in (1, 2):
            store(f"results/m/{number:04}_x.json", commit=f"abcdef{number}".ljust(40, "0"))
        with pytest.raises(RecordError, match="'abcdef': several commits of stored runs in results/m begin so"):
            naming.find("abcdef")
        assert naming.find("abcdef2").path.name == "0002_x.json"

    def test_beginning_of_no_stored_commit_and_no_results_at_all_are_errors(self):
        with pytest.raises(
            RecordError, match=r"'abcdef': is not a .* commit abcdef is looked for in results; results: "
        ):
            naming.find("abcdef")
        store("results/m/0001_x.json", commit=None)
        with pytest.raises(RecordError, match=r"'abcdef': is not a .* is of commit abcdef; measure it"):
            naming.find("abcdef")
