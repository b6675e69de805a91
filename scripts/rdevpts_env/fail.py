# SPDX-License-Identifier: GPL-2.0
"""Failures that a person can mend."""

import re


class Fail(Exception):
    """An expected failure. Its text is one line that names the thing and the mend."""


def explain(log_tail: str) -> str | None:
    """Turn the end of a tool's log into what went wrong, if it is one of the usual things."""
    if "No space left on device" in log_tail or "have enough free space" in log_tail:
        return "no space left on the disk: free some, then run the same command again"
    for sign in (
        "Could not resolve",
        "Temporary failure resolving",
        "Could not connect",
        "Cannot initiate the connection",
        "Connection failed",
        "Connection timed out",
        "Network is unreachable",
        "Unable to connect",
        "failure in name resolution",
        "Could not resolve host",
    ):
        if sign in log_tail:
            return "no network: check the connection and the proxy settings, then run the same command again"
    for sign in ("does not have a Release file", "404  Not Found", "File not found"):
        if sign in log_tail:
            return "it has no such suite or package (any more): make update, or give another archive with MIRROR=<URL>"
    if re.search(r"certificate problem|certificate verif|certificate is NOT trusted|SSL peer certificate", log_tail):
        return "a server's certificate is not trusted here: name a bundle that has its issuer with SSL_CERT_FILE=<file>"
    if "NO_PUBKEY" in log_tail or "Missing key" in log_tail:
        return "the archive's signing key is unknown here: apt-get install --only-upgrade debian-archive-keyring"
    return None
