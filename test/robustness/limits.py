"""Running the compiler under the limits that hold for any file whatsoever."""
import os
import resource
import signal
import subprocess

SECONDS, BYTES = 10, 2 << 30     # of the processor, so that a busy machine changes nothing
WAITING = 90                     # seconds by the clock, for what waits for ever


def _limit():
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def compile_file(ssmc, model, library, *flags):
    """Status and stderr of one compilation; a status below 0 is a signal, "hang" means that time ran out."""
    process = subprocess.Popen([ssmc, str(model), "-o", str(library), *flags], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
                               start_new_session=True, preexec_fn=_limit)
    try:
        _, text = process.communicate(timeout=WAITING)
        return "hang" if process.returncode in (-signal.SIGXCPU, -signal.SIGKILL) else process.returncode, text
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "hang", ""


def in_child(work, seconds=SECONDS):
    """What work() gives, as text, from a forked process; a crash or a hang is a text that starts with "signal"."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.alarm(seconds)
        try:
            text = work()
        except Exception as error:  # the parent judges it
            text = f"{type(error).__name__}: {error}"
        os.write(writing, (text or "").encode(errors="replace")[:60000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        text = stream.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    return f"signal {status & 127}" if status else text
