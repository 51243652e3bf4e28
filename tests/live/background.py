"""Threads whose failure is not lost: who waits for one gets its exception."""

from concurrent.futures import ThreadPoolExecutor


def start(function):
    """Runs the function in a thread of its own; the future's `result` waits for it and raises what it raised."""
    executor = ThreadPoolExecutor(1)
    future = executor.submit(function)
    executor.shutdown(wait=False)
    return future
