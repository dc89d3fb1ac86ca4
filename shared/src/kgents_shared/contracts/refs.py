"""Documents carry references, never secrets (DESIGN §3): what in a document looks like a secret, and where.

Two signs. A text anywhere that has the format of a well-known issuer's keys; prose that only speaks of keys has none.
And a field that is named like a secret (`api_key`, `clientSecret`, `--token`, `?access_token=`) whose value is a
literal and neither a `cred_…` reference nor a placeholder like `${OPENAI_API_KEY}`. What was found is never quoted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from kgents_shared.contracts.credentials import CREDENTIAL_REF

Loc = tuple[str | int, ...]
MOST_FOUND = 100
HIDDEN_NAME = "(hidden)"


@dataclass(frozen=True, slots=True)
class FoundSecret:
    """Something that looks like a secret. `in_name`: a field's own name does, and is hidden in `loc`."""

    loc: Loc
    what: str
    in_name: bool = False

    @property
    def literal(self) -> bool:
        """Whether its name alone speaks for a secret: the value has no known issuer's format."""
        return self.what == _LITERAL


# Each begins with one of a few fixed texts, and is only looked for where one of them is: most documents have none. None
# can begin twice in one run of its own characters, so a search is linear.
_FORMATS = (
    ("an OpenAI or Anthropic key", ("sk-",), r"sk-[A-Za-z0-9_-]{16,}"),
    ("a Stripe key", ("sk_live_", "rk_live_"), r"[rs]k_live_[A-Za-z0-9]{16,}"),
    ("an AWS access key", ("AKIA", "ASIA"), r"A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("a GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{20,}"),
    ("a GitHub token", ("github_pat_",), r"github_pat_[A-Za-z0-9_]{20,}"),
    ("a GitLab token", ("glpat-",), r"glpat-[A-Za-z0-9_-]{20,}"),
    ("a Google key", ("AIza",), r"AIza[A-Za-z0-9_-]{35}"),
    ("a Google secret", ("GOCSPX-", "ya29."), r"(?:GOCSPX-|ya29\.)[A-Za-z0-9_-]{20,}"),
    ("a Slack token", ("xox", "xapp-"), r"(?:xox[abeprs]|xapp)-[A-Za-z0-9-]{10,}"),
    ("a Hugging Face token", ("hf_",), r"hf_[A-Za-z0-9]{30,}"),
    ("a Groq key", ("gsk_",), r"gsk_[A-Za-z0-9]{24,}"),
    ("an xAI key", ("xai-",), r"xai-[A-Za-z0-9_-]{24,}"),
    ("a Perplexity key", ("pplx-",), r"pplx-[A-Za-z0-9]{24,}"),
    ("a Tavily key", ("tvly-",), r"tvly-[A-Za-z0-9_-]{24,}"),
    ("an npm token", ("npm_",), r"npm_[A-Za-z0-9]{30,}"),
    ("a SendGrid key", ("SG.",), r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,}"),
    ("a HashiCorp Vault token", ("hvs.", "hvb."), r"hv[sb]\.[A-Za-z0-9_-]{24,}"),
    ("a Kgents key", ("kg_", "kgr_", "kgs_"), r"(?:kg_[A-Za-z0-9-]{4,}_|kg[rs]_)[A-Za-z0-9_-]{16,}"),
    ("a JSON Web Token", ("eyJ",), r"(?<![_.-])eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    ("a private key", ("-----BEGIN ",), r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY"),
)
_ALWAYS = frozenset({"a private key"})  # told by its first line alone, wherever that stands
# With its lines, which are of one long word each: prose behind it is none of the key.
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?:-----)?(?:\s{0,4}+[A-Za-z0-9+/=]{16,}+)*+"
    r"(?:(?:\s{0,4}+[A-Za-z0-9+/=]{1,80})?\s{0,4}-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----)?"
)
_SEARCHES = tuple(
    (kind, starts, re.compile(pattern if kind in _ALWAYS else rf"(?<![A-Za-z0-9]){pattern}"))
    for kind, starts, pattern in _FORMATS
)

_NAME = re.compile(
    r"(?:^|_)(?:api_?key|secret|(?:secret|private|access|signing|encryption|master)_?key|password|passwd|passphrase"
    r"|token|authorization|bearer)$"
)
# Tokens of language models and of pages are no secrets.
_NO_SECRET = re.compile(
    r"(?:^|_)(?:max|min|num|per|next|page|cursor|continuation|sync|eos|bos|pad|unk|sep|cls|mask|stop|start|begin|end"
    r"|special|first|last|prompt|completion|input|output|public)_(?:token|key)$"
)
_PASSWORD = re.compile(r"(?:^|_)(?:password|passwd|passphrase)$")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_REFERENCE = re.compile(rf"(?i:bearer )?{CREDENTIAL_REF.strip('^$')}|\$\{{\w+\}}|\{{\{{ ?[\w.]+ ?\}}\}}")
_OPTION = re.compile(r"-{0,2}([A-Za-z][A-Za-z0-9_.-]*)=(.+)", re.DOTALL)
_FLAG = re.compile(r"--?([A-Za-z][A-Za-z0-9_-]*)")
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,20}://\S+", re.IGNORECASE)
_LITERAL = "a literal where a reference to a credential belongs"


def secrets_in(document: object) -> list[FoundSecret]:
    """Everything in a parsed document that looks like a secret, in the document's order; at most 100."""
    found: list[FoundSecret] = []
    for entry in _found(document):
        found.append(entry)
        if len(found) == MOST_FOUND:
            break
    return found


def without_secrets(text: str, mask: str = "***") -> str:
    """A text with a mask for each piece of it that `secrets_in` tells of, and all the rest as it is."""
    for kind, starts, pattern in _SEARCHES:
        if any(start in text for start in starts):
            whole = _PRIVATE_KEY if kind in _ALWAYS else pattern
            text = whole.sub(lambda match, kind=kind: mask if _is_random(kind, match[0]) else match[0], text)
    option = _OPTION.fullmatch(text)
    if option is not None and _option_is_literal(text):
        # What stands behind the first word is another, and may be anything.
        return text[: option.start(2)] + re.sub(r"\S+", lambda _: mask, option[2], count=1)
    return _without_secrets_of_url(text, mask) if _url_has_secret(text) else text


def _without_secrets_of_url(url: str, mask: str) -> str:
    address, question, query = url.partition("?")
    scheme, _, rest = address.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    if at:
        authority = f"{user.partition(':')[0]}:{mask}@{host}"
    fields = [_masked_field(field, mask) for field in re.split("([&#])", query)]
    return f"{scheme}://{authority}{slash}{path}{question}{''.join(fields)}"


def _masked_field(field: str, mask: str) -> str:
    name, equals, value = field.partition("=")
    return f"{name}={mask}" if equals and _is_literal(_snake(unquote_plus(name)), value) else field


def _found(document: object) -> Iterator[FoundSecret]:
    """Without recursion: documents may be nested as deep as parsers allow."""
    waiting: list[tuple[Loc, str, object]] = [((), "", document)]
    while waiting:
        loc, name, value = waiting.pop()
        if isinstance(value, dict):
            inside: list[tuple[Loc, str, object]] = []
            for key, entry in cast("dict[object, object]", value).items():
                text = str(key)
                kind = _format_of(text)
                if kind is not None:
                    yield FoundSecret((*loc, HIDDEN_NAME), f"what looks like {kind} as a name", in_name=True)
                inside.append(((*loc, HIDDEN_NAME if kind else text), "" if kind else _snake(text), entry))
            waiting.extend(reversed(inside))
        elif isinstance(value, list):
            entries = cast("list[object]", value)
            names = _names_in_list(name, entries)
            waiting.extend((((*loc, place), names[place], entries[place])) for place in reversed(range(len(entries))))
        else:
            what = _looks_like(name, value)
            if what is not None:
                yield FoundSecret(loc, what)


def _names_in_list(name: str, entries: list[object]) -> list[str]:
    """What each entry is called: `api_keys` holds one `api_key` each, and what follows `--token` is a `token`."""
    singular = name.removesuffix("s") if name.endswith("s") and not name.endswith("tokens") else ""
    names = [singular] * len(entries)
    for place, entry in enumerate(entries[:-1]):
        flag = _FLAG.fullmatch(entry) if isinstance(entry, str) else None
        if flag is not None and _is_secret_name(_snake(flag[1])):
            names[place + 1] = _snake(flag[1])
    return names


def _looks_like(name: str, value: object) -> str | None:
    if isinstance(value, str):
        kind = _format_of(value)
        if kind is not None:
            return f"what looks like {kind}"
        if _is_literal(name, value) or _option_is_literal(value) or _url_has_secret(value):
            return _LITERAL
    elif isinstance(value, int | float) and not isinstance(value, bool) and _PASSWORD.search(name):
        return _LITERAL
    return None


def _format_of(text: str) -> str | None:
    for kind, starts, pattern in _SEARCHES:
        if any(start in text for start in starts):
            for match in pattern.finditer(text):
                if _is_random(kind, match[0]):
                    return kind
    return None


def _is_random(kind: str, found: str) -> bool:
    """What is random has digits in it; `sk-learn-based-classifiers` and `sk-xxxxxxxxxxxxxxxx` haven't."""
    return kind in _ALWAYS or (any(map(str.isdigit, found)) and not found.endswith("EXAMPLE"))


def _is_literal(name: str, value: str) -> bool:
    return bool(value.strip()) and _is_secret_name(name) and _REFERENCE.fullmatch(value.strip()) is None


def _is_secret_name(name: str) -> bool:
    return _NAME.search(name) is not None and _NO_SECRET.search(name) is None


def _option_is_literal(value: str) -> bool:
    """`--api-key=…` and `API_KEY=…`, as command lines have them; a text with spaces before the `=` is none."""
    option = _OPTION.fullmatch(value)
    return option is not None and _is_literal(_snake(option[1]), option[2])


def _url_has_secret(value: str) -> bool:
    """A whole text that is an address, with a password or a parameter named like a secret in it."""
    if _URL.fullmatch(value) is None:
        return False
    try:
        parts = urlsplit(value)
        password = parts.password
        fields = parse_qsl(parts.query, max_num_fields=100)
    except ValueError:
        return False
    if password and _REFERENCE.fullmatch(password) is None:
        return True
    return any(_is_literal(_snake(field), entry) for field, entry in fields)


def _snake(name: str) -> str:
    """`clientSecret`, `Client-Secret` and `CLIENT_SECRET` as `client_secret`; long names can't be a secret's."""
    return re.sub(r"[-. ]", "_", _CAMEL.sub("_", name[-200:])).lower()
