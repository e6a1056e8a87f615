"""Stored data of every schema stay readable, and fields that this bench-core does not know survive.

The files in ``tests/data/runs`` are frozen: ``schema_1.json`` is a real run stored by the first version, with a flag of
each kind; ``schema_2.json`` and ``schema_3.json`` are the same run, loaded and written by the version that introduced
that schema.
"""

import contextlib
import copy
import json
import math
from dataclasses import MISSING, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core import report
from bench_core.analysis.comparison import Verdict, compare_runs
from bench_core.core.errors import BenchError, NewerSchemaError, RecordError
from bench_core.core.modes import Casting, Casts, Compilation
from bench_core.core.records import SCHEMA, Record, RunInfo
from bench_core.core.results import FlagCode, Latency, Stages
from bench_core.core.studies import LadderRung, TimeToAccuracy
from bench_core.report.content import analyze, content
from bench_core.storage import files
from bench_core.storage.files import KEY

FOLDER = Path(__file__).parents[1] / "data" / "runs"
GOLDEN = {schema: FOLDER / f"schema_{schema}.json" for schema in range(1, SCHEMA + 1)}
LATER = {FlagCode.INTERRUPTED, FlagCode.OWN_THREADS, FlagCode.TWO_MODES}
"""The codes that were added when the golden files had been written; they need no new schema."""
every_schema = pytest.mark.parametrize("schema", GOLDEN)


def document(schema):
    return json.loads(GOLDEN[schema].read_text(encoding="utf-8"))


def stored_records(of):
    return [bench["extra_info"][KEY] for bench in of["benchmarks"]]


def assert_kept(written, stored):
    """Everything in the stored data is in the written data too, which may have newer optional fields besides."""
    if isinstance(stored, dict):
        assert stored.keys() <= written.keys()
        for key, value in stored.items():
            assert_kept(written[key], value)
    elif isinstance(stored, list):
        assert len(written) == len(stored)
        for ours, theirs in zip(written, stored, strict=True):
            assert_kept(ours, theirs)
    else:
        assert written == stored


class TestGoldenFiles:
    def test_there_is_one_for_every_schema(self):
        assert sorted(FOLDER.iterdir()) == sorted(GOLDEN.values())
        for schema in GOLDEN:
            assert document(schema)[KEY]["schema"] == schema
            assert {record["schema"] for record in stored_records(document(schema))} == {schema}

    @every_schema
    def test_records_have_the_stored_figures(self, schema):
        records = {record.case.id: record for record in files.load(GOLDEN[schema]).records}
        assert {name: (record.timing.median, record.units) for name, record in records.items()} == {
            "gemm-cpu-b64-fp32-eager": (1.7113960526528087e-05, 524288),
            "mlp_train-cpu-b64-fp32-eager": (0.0006972536999910517, 64),
            "mlp_train-cpu-b64-fp32-eager-t1": (0.0007118833124977186, 64),
            "csv_loader-cpu-b64-fp32-eager": (0.028192306499988717, 4000),
            "csv_loader-cpu-b64-fp32-eager-t1": (0.0215500049999946, 4000),
            "mlp_infer-cpu-b8-fp32-eager": (6.056422093114486e-05, 8),
            "mlp_infer-cpu-b64-fp32-eager": (0.00017649955714205134, 64),
            "mlp_infer-cpu-b64-fp32-eager-t1": (0.0002198524347843135, 64),
            "mlp_infer-cpu-b8-fp32-compile": (7.906989705809472e-05, 8),
            "mlp_infer-cpu-b64-fp32-compile": (0.00017851539705889886, 64),
        }
        compiled = records["mlp_infer-cpu-b8-fp32-compile"]
        assert compiled.compilation == Compilation(5.935656159, graph_breaks=0)
        assert compiled.timing.interval == (7.678383823538163e-05, 8.619948529458805e-05)
        assert compiled.timing.latency == Latency(
            100, 7.496699998910117e-05, 0.00010840000007874547, 0.00015706483001054044
        )
        pipeline = records["csv_loader-cpu-b64-fp32-eager"]
        seconds = {
            "read": 0.006129466524755065,
            "scale": 0.003918368320514501,
            "batch": 0.01665717315723399,
            "transfer": 0.0001872589974902472,
        }
        assert pipeline.stages == Stages(seconds, whole=0.02595755499999086, repeats=3)
        assert pipeline.timing.interval is None
        training = records["mlp_train-cpu-b64-fp32-eager-t1"]
        assert training.parity is not None
        assert training.parity.errors["update of model"] == 9.753995327331974e-06
        assert training.parity.inconclusive == ("update of model",)
        assert training.unavailable["peak_memory"] == "torch does not count host memory"

    @every_schema
    def test_flags_have_a_code_and_keep_their_text(self, schema):
        records = {record.case.id: record for record in files.load(GOLDEN[schema]).records}
        flags = records["mlp_train-cpu-b64-fp32-eager-t1"].flags
        assert [flag.code for flag in flags] == [
            FlagCode.NOT_STEADY,
            FlagCode.CROSS_CHECK,
            FlagCode.TOO_MANY_THREADS,
            FlagCode.CONTENTION,
            FlagCode.STOLEN_TIME,
            FlagCode.EMULATED_DTYPE,
            FlagCode.PARITY_INCONCLUSIVE,
            FlagCode.STAGES_DO_NOT_ADD_UP,
        ]
        assert {flag.code for flag in flags} == set(FlagCode) - LATER
        texts = next(r for r in stored_records(document(1)) if r["case"]["threads"] == 1)["flags"]
        assert [flag.text for flag in flags] == texts

    @every_schema
    def test_studies_have_the_stored_rows(self, schema):
        info = files.load(GOLDEN[schema]).info
        rungs = info.rows(LadderRung)
        assert [rung.rung for rung in rungs] == [
            "as in tutorials", "own optimizer", "synchronize", "warm-up", "loader taken out", "inputs resident",
            "repeated",
        ]  # fmt: skip
        assert (rungs[0].seconds, rungs[0].interval) == (0.011912952661514282, None)
        assert rungs[-1].interval == (0.0009354941666591307, 0.0010894231666611631)
        (training,) = info.rows(TimeToAccuracy)
        assert (training.test_size, training.eval_interval, training.stand_in) == (360, 50, True)
        assert (training.target, training.accuracy, training.met) == (0.9, 0.9138888888888889, True)
        assert info.studied == ("ladder-cpu", "learning-mlp_train-cpu")

    @every_schema
    def test_facts_of_the_run_are_the_stored_ones(self, schema):
        info = files.load(GOLDEN[schema]).info
        assert (info.machine.cpu, info.machine.usable_cpus, info.machine.gpus) == ("AMD EPYC", 2, ())
        assert [(entry.what, entry.outcome, entry.study) for entry in info.not_run] == [
            ("learning (1 study)", "skipped", "learning"),
            ("cuda (3 cases)", "not run", None),
        ]

    def test_all_schemas_hold_the_same_run(self):
        first, *others = (files.load(path) for path in GOLDEN.values())
        for other in others:
            assert other.records == first.records
            assert other.info == first.info

    def test_present_schema_is_written_back_as_it_was(self):
        run, stored = files.load(GOLDEN[SCHEMA]), document(SCHEMA)
        assert_kept([files.encode(record) for record in run.records], stored_records(stored))
        assert_kept(files.encode(run.info), stored[KEY])

    @every_schema
    @pytest.mark.usefixtures("svgs_alone")
    def test_it_can_be_reported(self, schema, tmp_path):
        report.write([files.load(GOLDEN[schema])], tmp_path / "out")
        words = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
        assert "contention: the host gave 4% of the CPU time to other machines" in words
        assert "91.4%" in words
        for case in ("gemm", "mlp_train", "csv_loader", "mlp_infer"):
            assert f'id="w-{case}"' in words

    @every_schema
    def test_it_can_be_compared_with_the_present_schema(self, schema):
        rows = compare_runs(files.load(GOLDEN[schema]), files.load(GOLDEN[SCHEMA]))
        assert len(rows) == 10
        assert all(row.ratio == pytest.approx(1.0) for row in rows)
        assert {row.verdict for row in rows} <= {Verdict.SAME, Verdict.UNCLEAR}


def test_stored_run_compared_with_itself_is_the_same_throughout():
    run, again = files.load(GOLDEN[SCHEMA]), files.load(GOLDEN[SCHEMA])
    assert any(record.contended for record in run.records)
    assert {row.verdict for row in compare_runs(run, again)} == {Verdict.SAME}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
broken_values = json_values | st.sampled_from([math.nan, math.inf, 0, 0.0, -1, 10**400, 2**63, 5e-324, 1e308, "cuda"])
FREE = ("unavailable", "errors", "options", "seconds", "studies")
"""The fields whose keys are data, not names of fields."""


def objects(data):
    """All objects of JSON data whose keys are names of fields."""
    if isinstance(data, list):
        return [place for item in data for place in objects(item)]
    if isinstance(data, dict):
        return [data, *(place for key, value in data.items() if key not in FREE for place in objects(value))]
    return []


@st.composite
def extended(draw, data):
    """JSON data, and the same with fields that no schema has in some of its objects."""
    wider = copy.deepcopy(data)
    for place in draw(st.lists(st.sampled_from(objects(wider)), min_size=1, max_size=4)):
        name = draw(st.text(max_size=8) | st.sampled_from(["unknown", "0", "novel"]))
        if name not in place:
            place[name] = draw(json_values)
    return data, wider


@st.composite
def spoiled(draw, data):
    """JSON data of which one node, at any depth, is replaced."""
    root: Any = {"data": copy.deepcopy(data)}
    parent, key = root, "data"
    while (node := parent[key]) and isinstance(node, dict | list) and draw(st.integers(0, 7)):
        parent, key = node, draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
    parent[key] = draw(broken_values)
    return root["data"]


def refusal(decode, data):
    """The message with which decoding refuses data; empty if it does not. Any other error is a fault."""
    try:
        decode(data, "file")
    except RecordError as error:
        return str(error)
    return ""


def assert_one_line_about_the_file(message):
    assert not message or message.startswith("file: ")
    assert "\n" not in message


STORED = document(SCHEMA)


class TestUnknownFields:
    @given(st.sampled_from(stored_records(STORED)).flatmap(extended))
    def test_those_of_a_record_are_kept_at_any_depth(self, both):
        known, wider = both
        record = files.decode_record(wider, "file")
        assert record == files.decode_record(known, "file")
        assert_kept(files.encode(record), wider)

    @given(extended(STORED[KEY]))
    def test_those_of_a_run_are_kept_at_any_depth(self, both):
        known, wider = both
        info = files.decode_run(wider, "file")
        assert info == files.decode_run(known, "file")
        assert_kept(files.encode(info), wider)

    def test_those_of_an_entry_of_not_run_are_kept(self):
        wider = copy.deepcopy(STORED[KEY])
        wider["not_run"][1]["retries"] = {"count": 2}
        assert files.encode(files.decode_run(wider, "file"))["not_run"][1]["retries"] == {"count": 2}

    @given(st.sampled_from(stored_records(document(1))).flatmap(extended))
    def test_those_of_an_old_record_are_kept_by_the_upgrade(self, both):
        known, wider = both
        record = files.decode_record(wider, "file")
        assert record == files.decode_record(known, "file")
        assert files.decode_record(files.encode(record), "file").unknown == record.unknown
        assert bool(record.unknown) is (wider != known)

    def test_those_of_an_old_run_are_kept_by_the_upgrade(self):
        wider = copy.deepcopy(document(1)[KEY])
        for place in (wider, wider["machine"], wider["not_run"][0], wider["ladder"][0], wider["learning"][0]):
            place["novel"] = 1
        written = files.encode(files.decode_run(wider, "file"))
        studies = written["studies"]
        for place in (written, written["machine"], written["not_run"][0], studies["ladder"][0], studies["learning"][0]):
            assert place["novel"] == 1

    def test_they_are_kept_from_file_to_file(self, tmp_path):
        wider = copy.deepcopy(STORED)
        wider[KEY]["machine"]["numa_nodes"] = 2
        stored_records(wider)[0]["timing"]["energy"] = [1.5, None]
        path = tmp_path / "0001_run.json"
        path.write_text(json.dumps(wider))
        run = files.load(path)
        assert_kept(files.encode(run.info), wider[KEY])
        assert_kept(files.encode(run.records[0]), stored_records(wider)[0])


def optional(kind):
    return [f.name for f in fields(kind) if f.default is not MISSING or f.default_factory is not MISSING]


class TestMissingFields:
    @pytest.mark.parametrize("name", [name for name in optional(Record) if name != "unknown"])
    def test_optional_field_of_a_record_may_be_missing(self, name):
        for stored in copy.deepcopy(stored_records(STORED)):
            whole = files.encode(files.decode_record(stored, "file"))
            del whole[name]
            assert files.decode_record(whole, "file").timing.median == stored["timing"]["median"]

    @pytest.mark.parametrize("name", [name for name in optional(RunInfo) if name != "unknown"])
    def test_optional_field_of_a_run_may_be_missing(self, name):
        stored = files.encode(files.decode_run(copy.deepcopy(STORED[KEY]), "file"))
        del stored[name]
        assert files.decode_run(stored, "file").run_id == stored["run_id"]

    def test_optional_field_of_a_nested_object_may_be_missing(self):
        stored = copy.deepcopy(STORED[KEY])
        for entry in stored["not_run"]:
            del entry["study"]
        assert [entry.study for entry in files.decode_run(stored, "file").not_run] == [None, None]


def in_half(dtype="bf16", variant="eager", kind="op", name="gemm"):
    """A record of schema 2 in a dtype of 16 bits."""
    stored = copy.deepcopy(stored_records(document(2))[0])
    stored["case"] |= {"workload": name, "dtype": dtype, "variant": variant}
    return files.decode_record(stored | {"kind": kind}, "file")


class TestSixteenBitsOfSchema2:
    """Everything in 16 bits ran under autocast."""

    @pytest.mark.parametrize("kind", ["op", "infer", "pipeline"])
    @pytest.mark.parametrize("dtype", ["bf16", "fp16"])
    @pytest.mark.parametrize(
        ("variant", "now"), [("eager", "autocast"), ("channels_last+compile", "channels_last+compile+autocast")]
    )
    def test_inference_is_the_variant_autocast(self, kind, dtype, variant, now):
        record = in_half(dtype, variant, kind)
        assert (record.case.variant, record.casts) == (now, Casts(Casting.AUTOCAST))

    @pytest.mark.parametrize(("kind", "name"), [("train", "mlp_train"), ("pipeline", "mnist_epoch_e2e")])
    def test_training_is_what_it_is_now(self, kind, name):
        record = in_half(kind=kind, name=name)
        assert (record.case.variant, record.casts) == ("eager", Casts(Casting.AUTOCAST))

    @pytest.mark.parametrize("dtype", ["fp32", "tf32", "default"])
    def test_other_dtypes_are_not_concerned(self, dtype):
        record = in_half(dtype)
        assert (record.case.variant, record.casts) == ("eager", None)

    def test_a_present_record_keeps_its_variant(self):
        record = in_half()
        again = files.decode_record(files.encode(record), "file")
        assert again == record
        stored = replace(record, case=replace(record.case, variant="eager"), casts=Casts(Casting.STORED, 0, 0))
        assert files.decode_record(files.encode(stored), "file") == stored


class TestNewerSchema:
    def test_it_is_refused_and_says_what_to_do(self):
        newer = {**STORED[KEY], "schema": SCHEMA + 1}
        message = f"file: written in schema {SCHEMA + 1}, this bench-core reads up to {SCHEMA}; update bench-core"
        with pytest.raises(NewerSchemaError) as caught:
            files.decode_run(newer, "file")
        assert str(caught.value) == message
        with pytest.raises(NewerSchemaError) as caught:
            files.decode_record({"schema": SCHEMA + 1, "all": "else may differ"}, "file")
        assert str(caught.value) == message


def shortened(schema):
    """A golden file with the parts that bench-core reads, of three of its cases."""
    of = document(schema)
    benches = [of["benchmarks"][i] for i in (2, 3, 8)]  # with flags, with stages, compiled
    return {KEY: of[KEY], "benchmarks": [{name: bench[name] for name in ("name", "extra_info")} for bench in benches]}


class TestMalformedData:
    @given(broken_values)
    def test_any_json_is_decoded_or_refused(self, data):
        assert_one_line_about_the_file(refusal(files.decode_record, data))
        assert_one_line_about_the_file(refusal(files.decode_run, data))

    @given(st.sampled_from(stored_records(document(1)) + stored_records(STORED)).flatmap(spoiled))
    def test_record_with_any_node_replaced_is_decoded_or_refused(self, data):
        assert_one_line_about_the_file(refusal(files.decode_record, data))

    @given(st.sampled_from([document(1)[KEY], STORED[KEY]]).flatmap(spoiled))
    def test_run_with_any_node_replaced_is_decoded_or_refused(self, data):
        assert_one_line_about_the_file(refusal(files.decode_run, data))

    @given(st.sampled_from([shortened(1), shortened(SCHEMA)]).flatmap(spoiled))
    def test_file_with_any_node_replaced_is_reported_and_compared_or_refused(self, data):
        with TemporaryDirectory() as folder:
            path = Path(folder) / "0001_run.json"
            path.write_text(json.dumps(data))
            with contextlib.suppress(BenchError):
                run = files.load(path)
                content(analyze([run]))
                compare_runs(run, files.load(GOLDEN[SCHEMA]))
