"""Whom the commands trust."""

import ssl


def verification_for(url: str) -> ssl.SSLContext | bool:
    """What httpx is to verify a server at `url` with.

    Reading the certificate authorities takes longer than most answers: only where there is TLS. Elsewhere nobody is
    trusted.
    """
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.lower().startswith("http:") else True
