"""Memory for large answers: a page fault for every 4 KiB would take longer than receiving them."""

import mmap

__all__ = ["LARGE_BYTES_MIN", "prefer_large_pages"]

LARGE_BYTES_MIN = 8 << 20


def prefer_large_pages(view: memoryview) -> None:
    """Ask the system for large pages behind a writable buffer that was not touched yet. Only ever a hint."""
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return
    try:
        import ctypes

        libc = ctypes.CDLL(None)
        begin = ctypes.addressof(ctypes.c_char.from_buffer(view))
        first = -(-begin // mmap.PAGESIZE) * mmap.PAGESIZE
        size = (begin + view.nbytes - first) // mmap.PAGESIZE * mmap.PAGESIZE
        libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(size), mmap.MADV_HUGEPAGE)
    except (ImportError, AttributeError, OSError, TypeError, ValueError):
        return
