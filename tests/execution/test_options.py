from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench_core import workloads
from bench_core.core.case import Sources
from bench_core.core.errors import OptionError
from bench_core.execution.options import parse

WITHOUT_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is present")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("workload", "nope", ("--bench-workload", "nope", "gemm")),
        ("device", "tpu", ("--bench-device", "tpu", "cpu, cuda")),
        ("dtype", "fp7", ("--bench-dtype", "fp7", "bf16")),
        ("variant", "eager+fast", ("--bench-variant", "fast", "channels_last", "joined by")),
        ("batch_size", "0", ("--bench-batch-size", "'0'", "above 0")),
        ("batch_size", "-3", ("--bench-batch-size", "'-3'", "above 0")),
        ("batch_size", "1,x", ("--bench-batch-size", "'x'")),
        ("threads", "two", ("--bench-threads", "two")),
        ("caches", "warm", ("--bench-caches", "warm", "hot, cold")),
        ("rel_ci", "7", ("--bench-rel-ci", "7", "below 1")),
        ("kernels", "yes", ("--bench-kernels", "add --bench-isolate")),
        ("max_time", "nan", ("--bench-max-time", "nan")),
        ("max_time", "-1", ("--bench-max-time", "-1")),
        ("timeout", "0", ("--bench-timeout", "'0'", "above 0")),
        ("timeout", "soon", ("--bench-timeout", "'soon'")),
        *(("shard", word, ("--bench-shard", f"'{word}'", "3/8")) for word in ("0/8", "9/8", "8", "a/b", "-1/2", "1/0")),
        ("sweep", "half", ("--bench-sweep", "half", "full")),
        ("data", "no/such/folder", ("--bench-data", "no/such/folder", "not a folder")),
        ("weights", "no/such/folder", ("--bench-weights", "no/such/folder", "not a folder")),
        pytest.param("data", "x" * 300, ("--bench-data", "not a folder that can be read"), id="data-too-long"),
        ("device", ",", ("--bench-device", "no value")),
        pytest.param("device", "cuda", ("--bench-device", "cuda", "doctor"), marks=WITHOUT_GPU),
    ],
)
def test_bad_option_is_named_in_one_line_with_the_choices(name, value, words, tmp_path):
    with pytest.raises(OptionError) as caught:
        parse({name: value}, tmp_path)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_default_request_is_every_workload_on_every_device_present(tmp_path):
    request = parse({}, tmp_path)
    assert request.sweep.devices == (("cpu", "cuda") if torch.cuda.is_available() else ("cpu",))
    assert request.sweep.dtypes == ("fp32",)
    assert [workload.name for workload in request.workloads] == workloads.names()
    assert request.effort.rel_ci == 0.02


def test_options_are_parsed_and_stored_as_written(tmp_path):
    given = {
        "batch_size": " 64 ,1,64",
        "dtype": "fp32,bf16",
        "threads": "1",
        "max_time": "2.5",
        "data": ".",
        "weights": "w",
    }
    (tmp_path / "w").mkdir()
    request = parse(given, tmp_path)
    assert request.sweep.batch_sizes == (64, 1)
    assert request.sweep.dtypes == ("fp32", "bf16")
    assert request.sweep.threads == (1,)
    assert request.effort.max_time == 2.5
    assert request.sources == Sources(data=tmp_path, weights=tmp_path / "w")
    assert request.given["--bench-batch-size"] == " 64 ,1,64"


def test_a_timeout_isolates_the_cases(tmp_path):
    requests = [parse(given, tmp_path) for given in ({}, {"isolate": "yes"}, {"timeout": "30"})]
    assert [(request.isolate, request.timeout) for request in requests] == [(False, None), (True, None), (True, 30.0)]
    assert requests[1].given == {"--bench-isolate": "yes"}


@given(
    st.sampled_from(["batch_size", "threads", "rel_ci", "max_time", "timeout", "dtype", "variant", "workload"]),
    st.text(),
)
def test_any_text_is_accepted_or_refused_in_one_line(name, text):
    option = f"--bench-{name.replace('_', '-')}"
    try:
        lines = [f"{given}: accepted" for given in parse({name: text}, Path()).given]
    except OptionError as error:
        lines = str(error).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"{option}: ")


def test_a_variant_has_one_name_in_whatever_order_its_parts_are_given():
    given = {"variant": "freezing+max_autotune+compile,compile+max_autotune+freezing,fused+eager,eager+eager"}
    assert parse(given, Path()).sweep.variants == ("compile+max_autotune+freezing", "fused", "eager")


def test_autocast_comes_last_in_a_variant_and_takes_the_place_of_eager():
    given = {"variant": "autocast,eager+autocast,autocast+compile,compile"}
    assert parse(given, Path()).sweep.variants == ("autocast", "compile+autocast", "compile")
