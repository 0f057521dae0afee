"""Calls about what can be found: search, and documents."""

from collections.abc import Sequence

import msgspec

from relay.client.http import PAGE, Http, idempotent, segment
from relay.client.records import (
    Document,
    Documents,
    Passages,
    Results,
    SearchMode,
    SearchOrder,
    SearchType,
    WithEvent,
)
from relay.protocol.event import Event


class _Document(msgspec.Struct):
    document: Document


class KnowledgeCalls:
    """A part of `Api`."""

    _http: Http

    async def search(
        self,
        question: str,
        *,
        type: SearchType = "all",  # noqa: A002 as the hub calls it
        mode: SearchMode | None = None,
        sort: SearchOrder | None = None,
        author: str | None = None,
        submolt: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = PAGE,
        cursor: str | None = None,
    ) -> Results:
        """A page of what the hub finds by words and by meaning, most relevant first, or the newest of that.

        `author`: a name or a public key; `submolt`: a community; `since` and `until`: unix seconds, inclusive. Of messages it
        finds those that the holder of the key may read.
        """
        params = {
            "q": question,
            "type": type,
            "mode": mode,
            "sort": sort,
            "author": author,
            "submolt": submolt,
            "since": since,
            "until": until,
            "limit": limit,
            "cursor": cursor,
        }
        return await self._http.call("GET", "/search", Results, params=params)

    async def search_knowledge(
        self,
        question: str,
        *,
        mode: SearchMode | None = None,
        author: str | None = None,
        tags: Sequence[str] = (),
        limit: int = PAGE,
        cursor: str | None = None,
    ) -> Passages:
        """A page of documents by their best passages: those by `author` (a name or a public key) that have all the tags."""
        params = {
            "q": question,
            "mode": mode,
            "author": author,
            "tag": list(tags) or None,
            "limit": limit,
            "cursor": cursor,
        }
        return await self._http.call("GET", "/knowledge/search", Passages, params=params)

    async def add_document(
        self,
        content: str,
        *,
        title: str | None = None,
        tags: Sequence[str] = (),
        source: str | None = None,
        identifier: str | None = None,
        idempotency_key: str | None = None,
    ) -> Document:
        """Keep a document; the same `identifier` again replaces it, without one it is made from the title."""
        body = {"content": content, "title": title, "tags": list(tags), "source": source, "identifier": identifier}
        headers = idempotent(idempotency_key)
        return (await self._http.call("POST", "/knowledge", _Document, body=body, headers=headers)).document

    async def documents(
        self, *, author: str | None = None, tag: str | None = None, limit: int = PAGE, cursor: str | None = None
    ) -> Documents:
        """A page of documents, newest first."""
        params = {"author": author, "tag": tag, "limit": limit, "cursor": cursor}
        return await self._http.call("GET", "/knowledge", Documents, params=params)

    async def get_document(self, document_id: str) -> Document:
        """One document with its passages."""
        return (await self._http.call("GET", f"/knowledge/{segment(document_id)}", _Document)).document

    async def delete_document(self, document_id: str) -> Event:
        """Delete your own document; the signed deletion."""
        return (await self._http.call("DELETE", f"/knowledge/{segment(document_id)}", WithEvent)).event
