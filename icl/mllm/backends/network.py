"""The way to a server: its address, and the proxy between, if there is one."""

from __future__ import annotations

import ipaddress
import re
import urllib.request
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from icl.errors import InputError

T = TypeVar("T")


def host_of(url: str) -> str:
    """Host of an address, which may lack its scheme; "" where there is none.

    Raises:
        InputError: this is no address.
    """
    try:
        found = urlsplit(url if "://" in url else f"http://{url}")
        if found.port != 0 and (not url or found.hostname) and found.scheme in ("http", "https"):
            return found.hostname or ""
    except ValueError:
        pass
    raise InputError("mllm.url", repr(url), "http:// or https://, a host, and a port up to 65535", "Correct it.")


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own: no proxy can stand between."""
    host = host_of(url)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback or address.is_unspecified


def proxy_of(url: str) -> str:
    """The proxy that the environment sets for an address, without its password; "" where there is none."""
    host = host_of(url)
    if is_loopback(url) or urllib.request.proxy_bypass(host):
        return ""
    proxies = urllib.request.getproxies()
    found = proxies.get("https" if url.startswith("https:") else "http") or proxies.get("all", "")
    return re.sub(r"//[^/@]*@", "//", found)


def through(url: str) -> str:
    """What a message adds where a proxy stands between: its name."""
    proxy = proxy_of(url)
    return (
        f" (through the proxy {proxy} of HTTP_PROXY, HTTPS_PROXY or ALL_PROXY; NO_PROXY names hosts to reach directly)"
        * bool(proxy)
    )


def client_for(url: str, make: Callable[[dict], T]) -> T:
    """An HTTP client that reaches this machine directly, whatever the environment says, and others as it says.

    Args:
        make: takes httpx' options.

    Raises:
        InputError: the address or the environment's proxy is none.
    """
    try:
        if is_loopback(url):
            return make({"trust_env": False})
        try:
            return make({})
        except (ValueError, ImportError):  # a proxy that httpx does not know, but for other hosts than this one
            if proxy_of(url):
                raise
            return make({"trust_env": False})
    except (ValueError, ImportError, TypeError) as error:
        found = f"{type(error).__name__}: {error}{through(url)}"
        expected, remedy = "an address, and a proxy that httpx knows", "Correct mllm.url, or the proxy's variable."
        raise InputError(f"MLLM server {url}", found, expected, remedy) from error
