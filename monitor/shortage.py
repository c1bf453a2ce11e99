"""A resource of our own that has run out: it says nothing about whoever was to be asked, so nobody is accused of it."""

import errno

_RESOURCES = {
    errno.EMFILE: "file descriptors",
    errno.ENFILE: "file descriptors of the whole machine",
    errno.ENOMEM: "memory",
    errno.ENOBUFS: "network buffers",
    errno.ENOSPC: "disk space",
    errno.EDQUOT: "disk space",
}


def shortage(error: BaseException | None) -> str | None:
    """What ran out, if that is what an error, or what is behind it, says."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _RESOURCES:
            return _RESOURCES[error.errno]
        if isinstance(error, MemoryError):
            return "memory"
        if isinstance(error, RuntimeError) and str(error) == "can't start new thread":
            return "threads"
        group = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else None
        error = group or error.__cause__ or error.__context__
    return None
