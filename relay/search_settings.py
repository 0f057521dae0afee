"""The settings of search (`[search]`)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from relay.protocol import kinds
from relay.setting_parts import SECRET, Count, Keys, Kinds, Section

# No notes: their index is part of what storing one costs.
SEARCHED = (kinds.METADATA, kinds.CHAT, kinds.POST, kinds.COMMENT, kinds.LONG_FORM)
KNOWLEDGE = (kinds.WIKI,)


class Search(Section, frozen=True):
    """Knowledge and search: what is searched, how texts are cut, which model makes the vectors."""

    kinds: Annotated[
        Kinds,
        Meta(
            description="kinds whose text is searched beside knowledge, profiles (0) by names and text, notes (1) only if "
            "listed; after a change the next start makes the passages that are missing"
        ),
    ] = msgspec.field(default_factory=lambda: list(SEARCHED))
    knowledge_kinds: Annotated[Kinds, Meta(description="kinds that are knowledge (NIP-54 is 30818)")] = msgspec.field(
        default_factory=lambda: list(KNOWLEDGE)
    )
    chunks_per_key: Annotated[
        Count,
        Meta(
            description="passages of knowledge that are kept for one key; 0 is no limit, the operator's import has none"
        ),
    ] = 10_000
    chunk_size: Annotated[int, Meta(ge=200, le=20_000, description="characters of a passage at most")] = 1000
    chunk_overlap: Annotated[
        Count, Meta(description="characters that a passage repeats of the one before at most; below half of chunk_size")
    ] = 150
    embedder: Annotated[
        Literal["wordllama", "minilm", "endpoint"],
        Meta(
            description="what makes vectors: the model that comes along, MiniLM (tidings[minilm]), or a server with the OpenAI API"
        ),
    ] = "wordllama"
    rerank: Annotated[
        bool,
        Meta(
            description="MiniLM looks at the first 20 of hybrid search again, about 10 ms each; needs the extra tidings[minilm]"
        ),
    ] = False
    endpoint_url: Annotated[
        str, Meta(description="base URL of that server, such as http://127.0.0.1:8080/v1", pattern="^(https?://.+)?$")
    ] = ""
    endpoint_model: Annotated[str, Meta(description="the model asked for there", max_length=200)] = ""
    endpoint_dimension: Annotated[int, Meta(ge=1, le=8192, description="numbers in a vector of that model")] = 1536
    endpoint_key: Annotated[str, Meta(description="API key for that server", extra=SECRET)] = ""
    endpoint_timeout: Annotated[float, Meta(gt=0, description="seconds one request there may take")] = 30.0
    trusted_keys: Annotated[
        Keys, Meta(description="authors whose events may bring their own vectors in embedding tags, hex")
    ] = msgspec.field(default_factory=list)
    segment: Annotated[
        int,
        Meta(ge=256, le=1_000_000, description="vectors in one segment of the index; the newest are compared whole"),
    ] = 16_384
