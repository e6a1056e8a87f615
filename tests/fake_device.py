"""A device whose work is done on another thread, as a GPU's is: calls return at once, synchronize waits."""

import queue
import threading
import time


class FakeAsyncDevice:
    """Holds the members of ``bench_core.device.Device``; ``submit`` gives it work that takes some seconds."""

    name = "fake:0"

    def __init__(self):
        self._work = queue.Queue()
        self.finished = 0
        self.took = []  # seconds that each piece of work really took: a sleep oversleeps
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        end = 0.0
        while True:
            seconds, given = self._work.get()
            start = max(given, end)
            time.sleep(seconds)  # stands for the work itself
            end = time.perf_counter()
            self.took.append(end - start)
            self.finished += 1
            self._work.task_done()

    def submit(self, seconds):
        self._work.put((seconds, time.perf_counter()))

    def synchronize(self):
        self._work.join()

    def start_events(self):
        return None

    def elapsed(self, start):
        raise NotImplementedError

    def model(self):
        return "fake asynchronous device"

    def reset_peak_memory(self):
        pass

    def peak_memory(self):
        return None
