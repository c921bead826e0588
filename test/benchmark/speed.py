#!/usr/bin/env python3
"""How fast compiled networks are, as ratios to onnxruntime in the same run.

    speed.py [MODEL.onnx | encoder | mamba]... [--dims batch=1,length=512] [--threads 1,2] [--json FILE]

Each engine runs in a process of its own on the same cores, and they take turns, so that what else the machine does
hits both. A line gives the medians, the ratio of the peer's time to ours (above 1: ours is faster), the peak memory of
both processes, and how far apart the results are (the largest difference over the largest value; a fast wrong answer
counts as a failure). `stream` is the roofline of memory: our time over what it takes to read every input and constant
and to write every output once, as fast as this machine copies.
"""
import argparse
import json
import multiprocessing
import os
import re
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).parent))
import networks

DTYPES = {t: onnx.helper.tensor_dtype_to_np_dtype(t) for t in (1, 6, 7, 9, 10, 11)}  # by TensorProto.DataType


def inputs_of(path, dims):
    """Random arrays for every input without an initializer; sizes that dims does not name are 1."""
    model, random, given = onnx.load(path, load_external_data=False), np.random.default_rng(0), {}
    initialised = {t.name for t in model.graph.initializer}
    for info in model.graph.input:
        if info.name not in initialised:
            tensor = info.type.tensor_type
            shape = [d.dim_value if d.HasField("dim_value") else dims.get(d.dim_param, 1) for d in tensor.shape.dim]
            dtype = DTYPES[tensor.elem_type]
            given[info.name] = random.standard_normal(shape).astype(dtype) if dtype.kind == "f" else np.ones(shape, dtype)
    return given


def ours(path, threads, scratch):
    import ssm_mlir
    library = Path(scratch) / f"{Path(path).stem}.so"
    if not library.exists():
        ssm_mlir.compile(str(path), output=str(library))
    module = ssm_mlir.load(str(library), threads=threads)
    return lambda given: module(**given)


def onnxruntime(path, threads, scratch):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return lambda given: dict(zip(names, session.run(None, given)))


def serve(engine, path, threads, scratch, pipe):
    """Answers 'run' with the seconds of one call, 'results' with its outputs, 'memory' with the peak in MiB."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    given, call = pipe.recv(), engine(path, threads, scratch)
    outputs = call(given)
    pipe.send("ready")
    while (message := pipe.recv()) != "stop":
        if message == "run":
            start = time.perf_counter()
            outputs = call(given)
            pipe.send(time.perf_counter() - start)
        elif message == "results":
            pipe.send(outputs)
        else:
            pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def copy_seconds(size):
    """Least time to read and write so many bytes in all."""
    source = np.ones(64 << 20, np.uint8)
    target = np.empty_like(source)
    best = min(timed(lambda: np.copyto(target, source)) for _ in range(5))
    return best * size / (2 * source.size)


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(path, dims, threads, seconds, scratch):
    given, pipes, processes = inputs_of(path, dims), {}, []
    context = multiprocessing.get_context("spawn")
    for engine in (ours, onnxruntime):
        here, there = context.Pipe()
        process = context.Process(target=serve, args=(engine, path, threads, scratch, there), daemon=True)
        process.start()
        here.send(given)
        assert here.recv() == "ready"
        pipes[engine.__name__] = here
        processes.append(process)

    def ask(message):
        answers = {}
        for name, pipe in pipes.items():
            pipe.send(message)
            answers[name] = pipe.recv()
        return answers
    rounds, end = [], time.monotonic() + seconds
    while len(rounds) < 5 or time.monotonic() < end:
        rounds.append(ask("run"))
    results, memory = ask("results"), ask("memory")
    for pipe, process in zip(pipes.values(), processes):
        pipe.send("stop")
        process.join()
    errors = [np.abs(results["ours"][k].astype(float) - v).max(initial=0) / max(np.abs(v).max(initial=0), 1e-30)
              for k, v in results["onnxruntime"].items()]
    constants = sum(np.prod(t.dims) * DTYPES.get(t.data_type, np.dtype("u1")).itemsize for t in
                    onnx.load(path, load_external_data=False).graph.initializer)
    moved = constants + sum(a.nbytes for a in [*given.values(), *results["ours"].values()])
    median = {name: statistics.median(r[name] for r in rounds) for name in pipes}
    return {"threads": threads, "ours_ms": 1e3 * median["ours"], "peer_ms": 1e3 * median["onnxruntime"],
            "ratio": median["onnxruntime"] / median["ours"], "ours_mib": memory["ours"], "peer_mib": memory["onnxruntime"],
            "error": float(max(errors, default=0)), "stream": median["ours"] / copy_seconds(moved)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(networks.ALL), help="files, or names of generated networks")
    parser.add_argument("--dims", default="batch=1,length=512")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--seconds", type=float, default=10, help="how long to measure each")
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    dims = {k: int(v) for k, v in re.findall(r"([^=,]+)=(\d+)", options.dims)}
    figures, wrong = [], 0
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.models:
            path = name
            if name in networks.ALL:
                path = str(Path(scratch) / f"{name}.onnx")
                onnx.save(networks.ALL[name](), path)
            for threads in map(int, options.threads.split(",")):
                f = {"model": name, **measure(path, dims, threads, options.seconds, scratch)}
                wrong += f["error"] > 1e-3
                figures.append(f)
                print(f"{'WRONG ' if f['error'] > 1e-3 else ''}{name}, {threads} threads: {f['ours_ms']:.2f} ms, onnxruntime {f['peer_ms']:.2f} ms, "
                      f"ratio {f['ratio']:.2f}, memory {f['ours_mib']:.0f} and {f['peer_mib']:.0f} MiB, stream {f['stream']:.1f}, "
                      f"error {f['error']:.1e}", flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
